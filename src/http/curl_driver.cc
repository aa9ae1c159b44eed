#include "http/curl_driver.h"

#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>

#include "base/check.h"
#include "http/handler_memory.h"

namespace tributary::http {
namespace asio = boost::asio;
using boost::system::error_code;

namespace {

// Once per process, before the first handle, and for ever.
void InitialiseCurl() {
  static const CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
  CHECK(code == CURLE_OK);
}

}  // namespace

// One descriptor that curl has an interest in: a connection's socket (ours), or the pipe of a name
// look-up (curl's own, forgotten when curl says so). A wait once begun is left in place when curl's
// interest pauses between two requests of a connection: beginning it anew is a system call.
struct CurlDriver::Watch {
  using Descriptor = asio::posix::basic_stream_descriptor<asio::io_context::executor_type>;
  Watch(asio::io_context& context, curl_socket_t fd, bool ours)
      : descriptor(context, fd), is_ours(ours) {}

  Descriptor descriptor;
  HandlerMemory read_memory;
  HandlerMemory write_memory;
  bool is_ours;
  bool open = true;
  bool reading = false;
  bool writing = false;
  int wanted = 0;  // CURL_POLL_IN | CURL_POLL_OUT
};

CurlDriver::CurlDriver(os::AsioLoop& loop, std::function<void()> on_progress)
    : loop_(loop), on_progress_(std::move(on_progress)), timer_(loop.context()) {
  InitialiseCurl();
  multi_ = curl_multi_init();
  CHECK(multi_ != nullptr);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &OnSocket);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &OnTimeout);
  curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
}

CurlDriver::~CurlDriver() {
  curl_multi_cleanup(multi_);  // closes what is kept alive, through CloseSocket
  for (auto& [fd, watch] : watches_) {
    watch->open = false;
    watch->descriptor.release();
  }
}

curl_socket_t CurlDriver::OpenSocket(int family) {
  error_code ec;
  asio::ip::tcp::socket socket(loop_.context());
  socket.open(family == AF_INET6 ? asio::ip::tcp::v6() : asio::ip::tcp::v4(), ec);
  if (ec) return CURL_SOCKET_BAD;
  const curl_socket_t fd = socket.release(ec);
  if (ec) return CURL_SOCKET_BAD;
  Add(fd, true);
  return fd;
}

int CurlDriver::CloseSocket(void* driver, curl_socket_t fd) {
  auto* const self = static_cast<CurlDriver*>(driver);
  const auto found = self->watches_.find(fd);
  CHECK(found != self->watches_.end());
  const std::shared_ptr<Watch> watch = found->second;
  self->watches_.erase(found);
  watch->open = false;
  error_code ignored;
  watch->descriptor.close(ignored);
  return 0;
}

std::shared_ptr<CurlDriver::Watch> CurlDriver::Add(curl_socket_t fd, bool is_ours) {
  auto watch = std::make_shared<Watch>(loop_.context(), fd, is_ours);
  watches_[fd] = watch;
  return watch;
}

int CurlDriver::OnSocket(CURL*, curl_socket_t fd, int what, void* driver, void*) {
  auto* const self = static_cast<CurlDriver*>(driver);
  const auto found = self->watches_.find(fd);
  if (what != CURL_POLL_REMOVE) {
    self->Want(found != self->watches_.end() ? found->second : self->Add(fd, false), what);
  } else if (found != self->watches_.end()) {
    const std::shared_ptr<Watch> watch = found->second;
    watch->wanted = 0;
    if (watch->is_ours) return 0;  // until it is closed
    self->watches_.erase(found);
    watch->open = false;
    watch->descriptor.release();
  }
  return 0;
}

void CurlDriver::Want(const std::shared_ptr<Watch>& watch, int what) {
  watch->wanted = what;
  if (what & CURL_POLL_IN) Wait(watch, false);
  if (what & CURL_POLL_OUT) Wait(watch, true);
}

void CurlDriver::Wait(const std::shared_ptr<Watch>& watch, bool write) {
  bool& waiting = write ? watch->writing : watch->reading;
  if (waiting) return;
  waiting = true;
  watch->descriptor.async_wait(
      write ? Watch::Descriptor::wait_write : Watch::Descriptor::wait_read,
      asio::bind_allocator(HandlerAllocator<char>(write ? watch->write_memory : watch->read_memory),
                           [this, watch, write](const error_code& error) {
                             (write ? watch->writing : watch->reading) = false;
                             const int bit = write ? CURL_POLL_OUT : CURL_POLL_IN;
                             // Closed (then `this` may be gone too), or the interest has paused.
                             if (error || !watch->open || !(watch->wanted & bit)) return;
                             Step(watch->descriptor.native_handle(),
                                  write ? CURL_CSELECT_OUT : CURL_CSELECT_IN);
                             if (watch->open && (watch->wanted & bit)) Wait(watch, write);
                           }));
}

void CurlDriver::Step(curl_socket_t fd, int events) {
  int running = 0;
  curl_multi_socket_action(multi_, fd, events, &running);
  on_progress_();
}

int CurlDriver::OnTimeout(CURLM*, long timeout_ms, void* driver) {
  auto* const self = static_cast<CurlDriver*>(driver);
  self->due_ns_ = 0;
  if (timeout_ms == 0) self->StepSoon();
  if (timeout_ms > 0) self->WaitUntil(self->loop_.Now() + timeout_ms * kNanosPerMilli);
  return 0;
}

// Curl must not be called from inside its callbacks; and one step serves all that was added.
void CurlDriver::StepSoon() {
  if (std::exchange(step_posted_, true)) return;
  asio::post(loop_.context(), [this, alive = std::weak_ptr(alive_)] {
    if (alive.expired()) return;
    step_posted_ = false;
    Step(CURL_SOCKET_TIMEOUT, 0);
  });
}

// A timer that is set to an earlier time is left alone: it looks again when it fires. Curl moves
// its time with every request; setting the timer every time would cost more than that.
void CurlDriver::WaitUntil(MonoNanos due_ns) {
  due_ns_ = due_ns;
  if (armed_for_ns_ != 0 && armed_for_ns_ <= due_ns) return;
  armed_for_ns_ = due_ns;
  timer_.expires_at(std::chrono::steady_clock::time_point(std::chrono::nanoseconds(due_ns)));
  timer_.async_wait([this, alive = std::weak_ptr(alive_)](const error_code& error) {
    if (error || alive.expired()) return;
    armed_for_ns_ = 0;
    if (due_ns_ == 0) return;
    if (loop_.Now() < due_ns_) return WaitUntil(due_ns_);
    due_ns_ = 0;
    Step(CURL_SOCKET_TIMEOUT, 0);
  });
}

}  // namespace tributary::http
