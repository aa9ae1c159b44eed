// The real executor: a Boost.Asio io_context run by one thread. http/ builds its sockets on
// context(); nobody else needs to see Boost.
//
// Construct anywhere; Run() on the thread that is to be the loop's (only app/ starts threads).
// Posts from other threads are collected and wake the loop once, however many they are.
#pragma once

#include <memory>

#include "os/executor.h"

namespace boost::asio {
class io_context;
}

namespace tributary::os {

class AsioLoop final : public Executor {
 public:
  AsioLoop();
  ~AsioLoop() override;
  AsioLoop(const AsioLoop&) = delete;
  AsioLoop& operator=(const AsioLoop&) = delete;

  void Run();   // until Stop()
  void Stop();  // thread-safe; queued tasks that did not run are destroyed with the loop

  void Post(Task task) override;
  TimerId At(MonoNanos when, Task task) override;
  void Cancel(TimerId id) override;
  MonoNanos Now() const override;

  boost::asio::io_context& context();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tributary::os
