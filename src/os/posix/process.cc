#include "os/process.h"

#include <dirent.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>

extern char** environ;

namespace tributary::os {

void IgnoreFatalSignals() {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
}

std::uint64_t RaiseDescriptorLimit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  if (limit.rlim_cur < limit.rlim_max) {
    rlimit raised = limit;
    raised.rlim_cur = limit.rlim_max;
    if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
  }
  return limit.rlim_cur;
}

struct SignalWatch::Impl {
  explicit Impl(AsioLoop& loop) : set(loop.context(), SIGTERM, SIGINT, SIGHUP) {}
  boost::asio::signal_set set;
  std::function<void()> terminate;
  std::function<void()> reload;

  void Wait() {
    set.async_wait([this](const boost::system::error_code& error, int number) {
      if (error) return;
      (number == SIGHUP ? reload : terminate)();
      Wait();
    });
  }
};

SignalWatch::SignalWatch(AsioLoop& loop, std::function<void()> handler,
                         std::function<void()> reload)
    : impl_(std::make_unique<Impl>(loop)) {
  impl_->terminate = std::move(handler);
  impl_->reload = std::move(reload);
  impl_->Wait();
}

SignalWatch::~SignalWatch() = default;

std::optional<std::string> Environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr) return std::nullopt;
  return value;
}

std::vector<std::pair<std::string, std::string>> EnvironmentWithPrefix(const std::string& prefix) {
  std::vector<std::pair<std::string, std::string>> found;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos || !text.starts_with(prefix)) continue;
    found.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  return found;
}

bool StandardErrorIsTerminal() {
  return ::isatty(STDERR_FILENO) == 1;
}

std::uint64_t ResidentBytes() {
  std::FILE* file = std::fopen("/proc/self/statm", "re");
  if (file == nullptr) return 0;
  unsigned long total = 0;
  unsigned long resident = 0;
  const int fields = std::fscanf(file, "%lu %lu", &total, &resident);
  std::fclose(file);
  return fields == 2 ? resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) : 0;
}

std::uint64_t OpenDescriptors() {
  DIR* handle = ::opendir("/proc/self/fd");
  if (handle == nullptr) return 0;
  std::uint64_t count = 0;
  while (::readdir(handle) != nullptr) ++count;
  ::closedir(handle);
  return count < 3 ? 0 : count - 3;  // ".", ".." and the directory itself
}

unsigned Cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  const int count = CPU_COUNT(&set);
  return count < 1 ? 1 : static_cast<unsigned>(count);
}

std::string ProcessId() {
  return std::to_string(::getpid());
}

void NameThread(const std::string& name) {
  ::pthread_setname_np(::pthread_self(), name.substr(0, 15).c_str());
}

void TrimHeap() {
  ::malloc_trim(0);
}

void ExitNow(int code) {
  ::_exit(code);
}

}  // namespace tributary::os
