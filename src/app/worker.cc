#include "app/worker.h"

#include "base/check.h"
#include "os/process.h"

namespace tributary::app {

Worker::Worker(const std::string& name, std::function<void()> body)
    : thread_([name, body = std::move(body)] {
        os::NameThread(name);
        body();
      }) {}

Worker::~Worker() {
  CHECK(!thread_.joinable());
}

void Worker::Join() {
  if (thread_.joinable()) thread_.join();
}

}  // namespace tributary::app
