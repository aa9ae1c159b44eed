#pragma once

// One epoll instance and the handlers behind its descriptors; no threads, no busy polling.
//
// A handler must outlive its registration, and must not be destroyed while Turn runs: whoever owns
// handlers destroys dead ones between turns.

#include <cstdint>

namespace tributary::bench {

class Handler {
 public:
  virtual ~Handler() = default;
  // `events` are epoll's.
  virtual void OnEvents(uint32_t events) = 0;
};

class Loop {
 public:
  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  void Add(int fd, uint32_t events, Handler* handler);
  void Change(int fd, uint32_t events, Handler* handler);

  // Waits at most `timeout_ns` (below 0 counts as 0) and calls the handlers of what is ready. False
  // when a signal came instead.
  bool Turn(int64_t timeout_ns);

 private:
  static constexpr int kEventsPerTurn = 512;

  int fd_;
};

// True once SIGTERM or SIGINT came, after CatchStopSignals.
void CatchStopSignals();
bool StopAsked();

}  // namespace tributary::bench
