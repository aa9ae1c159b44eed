#include "bench/support/loop.h"

#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "bench/support/clock.h"
#include "bench/support/die.h"

namespace tributary::bench {
namespace {

volatile std::sig_atomic_t stop_asked = 0;

void OnStopSignal(int) {
  stop_asked = 1;
}

}  // namespace

Loop::Loop() : fd_(epoll_create1(EPOLL_CLOEXEC)) {
  if (fd_ < 0) DieErrno("epoll_create1");
  // The default slack of 50 us would be part of every latency measured at a fixed rate.
  prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
}

Loop::~Loop() {
  close(fd_);
}

void Loop::Add(int fd, uint32_t events, Handler* handler) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = handler;
  if (epoll_ctl(fd_, EPOLL_CTL_ADD, fd, &event) != 0) DieErrno("epoll_ctl add");
}

void Loop::Change(int fd, uint32_t events, Handler* handler) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = handler;
  if (epoll_ctl(fd_, EPOLL_CTL_MOD, fd, &event) != 0) DieErrno("epoll_ctl mod");
}

bool Loop::Turn(int64_t timeout_ns) {
  timeout_ns = std::max<int64_t>(timeout_ns, 0);
  const timespec timeout{timeout_ns / kNsPerSecond, timeout_ns % kNsPerSecond};
  epoll_event events[kEventsPerTurn];
  const int ready = epoll_pwait2(fd_, events, kEventsPerTurn, &timeout, nullptr);
  if (ready < 0 && errno == EINTR) return false;
  if (ready < 0) DieErrno("epoll_pwait2");
  for (int i = 0; i < ready; ++i) {
    static_cast<Handler*>(events[i].data.ptr)->OnEvents(events[i].events);
  }
  return true;
}

void CatchStopSignals() {
  struct sigaction action {};
  action.sa_handler = OnStopSignal;  // without SA_RESTART, so that a waiting loop wakes
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

bool StopAsked() {
  return stop_asked != 0;
}

}  // namespace tributary::bench
