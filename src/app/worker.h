// A thread that runs a stage: waits for work, steps until there is none, ends when told.
#pragma once

#include <functional>
#include <string>
#include <thread>

namespace tributary::app {

class Worker {
 public:
  // `body` runs on a new thread called `name` (15 characters show in tools) until it returns.
  Worker(const std::string& name, std::function<void()> body);
  ~Worker();  // CHECKs that Join() was called: threads end in an order somebody chose
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  void Join();

 private:
  std::thread thread_;
};

}  // namespace tributary::app
