#include "os/asio_loop.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <map>
#include <mutex>
#include <vector>

#include "os/clock.h"

namespace tributary::os {

struct AsioLoop::Impl {
  boost::asio::io_context context{1};  // one thread: Asio drops its internal locking where it can
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{
      context.get_executor()};
  boost::asio::steady_timer timer{context};

  std::mutex mutex;
  std::vector<Task> posted;   // guarded by mutex
  std::vector<Task> running;  // loop thread only; keeps its capacity between turns
  bool wake_pending = false;  // guarded by mutex

  // One Asio timer serves them all: ordered by due time, then id.
  std::map<std::pair<MonoNanos, TimerId>, Task> timers;
  std::map<TimerId, MonoNanos> due_of;
  TimerId next_timer = 1;
  MonoNanos armed_for = 0;  // 0: not armed

  void RunPosted() {
    {
      const std::scoped_lock lock(mutex);
      running.swap(posted);
      wake_pending = false;
    }
    for (Task& task : running) task();
    running.clear();
  }

  void Arm() {
    if (timers.empty()) return;
    const MonoNanos due = timers.begin()->first.first;
    if (armed_for != 0 && armed_for <= due) return;
    armed_for = due;
    timer.expires_at(std::chrono::steady_clock::time_point(std::chrono::nanoseconds(due)));
    timer.async_wait([this](const boost::system::error_code& error) {
      if (error) return;  // re-armed for an earlier time, or stopping
      armed_for = 0;
      RunDue();
      Arm();
    });
  }

  void RunDue() {
    const MonoNanos now = SystemClock().Monotonic();
    while (!timers.empty() && timers.begin()->first.first <= now) {
      auto node = timers.extract(timers.begin());
      due_of.erase(node.key().second);
      node.mapped()();
    }
  }
};

AsioLoop::AsioLoop() : impl_(std::make_unique<Impl>()) {}
AsioLoop::~AsioLoop() = default;

void AsioLoop::Run() {
  impl_->context.run();
}
void AsioLoop::Stop() {
  impl_->context.stop();
}

void AsioLoop::Post(Task task) {
  {
    const std::scoped_lock lock(impl_->mutex);
    impl_->posted.push_back(std::move(task));
    if (impl_->wake_pending) return;
    impl_->wake_pending = true;
  }
  boost::asio::post(impl_->context, [impl = impl_.get()] { impl->RunPosted(); });
}

Executor::TimerId AsioLoop::At(MonoNanos when, Task task) {
  const TimerId id = impl_->next_timer++;
  impl_->due_of.emplace(id, when);
  impl_->timers.emplace(std::pair(when, id), std::move(task));
  impl_->Arm();
  return id;
}

void AsioLoop::Cancel(TimerId id) {
  const auto found = impl_->due_of.find(id);
  if (found == impl_->due_of.end()) return;
  impl_->timers.erase({found->second, id});
  impl_->due_of.erase(found);
}

MonoNanos AsioLoop::Now() const {
  return SystemClock().Monotonic();
}

boost::asio::io_context& AsioLoop::context() {
  return impl_->context;
}

}  // namespace tributary::os
