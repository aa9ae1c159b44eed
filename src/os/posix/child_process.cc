#include "os/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "os/clock.h"

namespace tributary::os {
namespace {

std::unexpected<Error> FailedCall(const char* call) {
  return Fail(ErrorCode::kIo, std::string(call) + ": " + std::strerror(errno));
}

// What a spawned process has: frees itself.
struct SpawnPlan {
  SpawnPlan() {
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
  }
  ~SpawnPlan() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;

  void Fill(int socket) {
    posix_spawn_file_actions_adddup2(&actions, socket, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, socket, STDOUT_FILENO);
    // What a library of the child complains about is no log line of ours.
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    // Also what a library opened without O_CLOEXEC: the child must not hold the data directory.
    posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
    sigset_t none;
    sigemptyset(&none);
    sigset_t all;
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(
        &attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  }

  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
};

std::vector<char*> Arguments(const std::vector<std::string>& command) {
  std::vector<char*> out;
  out.reserve(command.size() + 1);
  for (const std::string& word : command) out.push_back(const_cast<char*>(word.c_str()));
  out.push_back(nullptr);
  return out;
}

void (*cpu_handler)() = nullptr;
volatile sig_atomic_t cpu_signals = 0;

void OnCpuSignal(int number) {
  cpu_signals = cpu_signals + 1;
  if (cpu_signals == 1) {
    cpu_handler();
    return;
  }
  std::signal(number, SIG_DFL);
  std::raise(number);
}

timeval TimeOf(MonoNanos span) {
  return {.tv_sec = span / kNanosPerSecond, .tv_usec = (span % kNanosPerSecond) / 1000};
}

}  // namespace

static_assert(kSignalKilled == SIGKILL && kSignalCpuTime == SIGPROF && kSignalAborted == SIGABRT);

Result<ChildProcess> ChildProcess::Start(const std::vector<std::string>& command) {
  CHECK(!command.empty());
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    return FailedCall("socketpair");
  }
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  SpawnPlan plan;
  plan.Fill(ends[1]);
  char* no_environment[] = {nullptr};
  pid_t pid = -1;
  const int failed = ::posix_spawn(&pid, command.front().c_str(), &plan.actions, &plan.attributes,
                                   Arguments(command).data(), no_environment);
  ::close(ends[1]);
  if (failed != 0) {
    ::close(ends[0]);
    errno = failed;
    return FailedCall("posix_spawn");
  }
  return ChildProcess(pid, ends[0]);
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      socket_(std::exchange(other.socket_, -1)),
      status_(other.status_) {}

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
  std::swap(pid_, other.pid_);
  std::swap(socket_, other.socket_);
  std::swap(status_, other.status_);
  return *this;
}

ChildProcess::~ChildProcess() {
  Kill();
  if (socket_ >= 0) ::close(socket_);
}

void ChildProcess::Kill() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  while (::waitpid(pid_, &status_, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
}

Status ChildProcess::Exchange(std::string& out, std::string& in, MonoNanos deadline) {
  const MonoNanos left = deadline - SystemClock().Monotonic();
  if (left <= 0) return Fail(ErrorCode::kDeadline, "the process did not answer in time");
  pollfd watched{.fd = socket_, .events = POLLIN, .revents = 0};
  if (!out.empty()) watched.events |= POLLOUT;
  const auto wait_ms = static_cast<int>(left / kNanosPerMilli + 1);
  if (::poll(&watched, 1, wait_ms) < 0 && errno != EINTR) return FailedCall("poll");
  if ((watched.revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
    char bytes[16 * 1024];
    const ssize_t got = ::recv(socket_, bytes, sizeof bytes, 0);
    if (got == 0) return Fail(ErrorCode::kIo, "the process has ended");
    if (got < 0 && errno != EAGAIN && errno != EINTR) return FailedCall("recv");
    if (got > 0) in.append(bytes, static_cast<std::size_t>(got));
  }
  if ((watched.revents & POLLOUT) != 0) {
    const ssize_t sent = ::send(socket_, out.data(), out.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) return FailedCall("send");
    if (sent > 0) out.erase(0, static_cast<std::size_t>(sent));
  }
  return {};
}

std::optional<int> ChildProcess::EndedBySignal(MonoNanos deadline) {
  while (pid_ >= 0) {
    const pid_t ended = ::waitpid(pid_, &status_, WNOHANG);
    if (ended == pid_) {
      pid_ = -1;
    } else if (SystemClock().Monotonic() >= deadline) {
      Kill();
    } else {
      ::poll(nullptr, 0, 1);
    }
  }
  if (WIFSIGNALED(status_)) return WTERMSIG(status_);
  return std::nullopt;
}

void LimitOwnProcess(const OwnLimits& limits) {
  const auto set = [](auto which, rlim_t value) {
    const rlimit limit{.rlim_cur = value, .rlim_max = value};
    ::setrlimit(which, &limit);
  };
  // A sanitizer's shadow memory is terabytes of private mapping; under this limit it cannot start.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  set(RLIMIT_DATA, limits.memory_bytes);
#endif
  set(RLIMIT_STACK, limits.stack_bytes);
  set(RLIMIT_CORE, 0);
  set(RLIMIT_FSIZE, 0);
  set(RLIMIT_NPROC, 0);
  set(RLIMIT_NOFILE, STDERR_FILENO + 1);
  std::signal(SIGTERM, SIG_IGN);
  std::signal(SIGINT, SIG_IGN);
  std::signal(SIGHUP, SIG_IGN);
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  // The parent's end is seen at the end of input too, but not in the middle of an endless loop.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
}

void LimitCpuTime(MonoNanos span, void (*handler)()) {
  if (span > 0 && cpu_handler == nullptr) std::signal(SIGPROF, OnCpuSignal);
  cpu_handler = handler;
  cpu_signals = 0;
  const itimerval timer{.it_interval = TimeOf(span / 2), .it_value = TimeOf(span)};
  ::setitimer(ITIMER_PROF, &timer, nullptr);
}

MonoNanos CpuTimeUsed() {
  timespec used{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return used.tv_sec * kNanosPerSecond + used.tv_nsec;
}

std::size_t ReadSomeInput(char* bytes, std::size_t size) {
  while (true) {
    const ssize_t got = ::read(STDIN_FILENO, bytes, size);
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno != EINTR) return 0;
  }
}

bool ReadInput(char* bytes, std::size_t size) {
  while (size > 0) {
    const std::size_t got = ReadSomeInput(bytes, size);
    if (got == 0) return false;
    bytes += got;
    size -= got;
  }
  return true;
}

bool WriteOutput(const char* bytes, std::size_t size) {
  while (size > 0) {
    const ssize_t sent = ::write(STDOUT_FILENO, bytes, size);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    bytes += sent;
    size -= static_cast<std::size_t>(sent);
  }
  return true;
}

}  // namespace tributary::os
