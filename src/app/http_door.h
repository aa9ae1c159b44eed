// One loop's half of the program: its sockets, its sources, its control API, its intake.
//
// Threads: made and destroyed by the thread that builds the program; everything else on the loop's
// own thread. Destroy it after its thread has ended and the log was closed.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "config/settings.h"
#include "control/control.h"
#include "http/server.h"
#include "ingest/intake.h"
#include "ingest/source.h"
#include "os/asio_loop.h"

namespace tributary::app {

struct DoorWorld {
  log::Log* log = nullptr;
  metrics::Registry* metrics = nullptr;
  control::ControlWorld control;  // without the loop and its directory
  const control::Access* access = nullptr;
  const config::Settings* settings = nullptr;
  std::string instance;  // of this process: its own notices are refused
};

class HttpDoor {
 public:
  explicit HttpDoor(const DoorWorld& world);

  // Binds; several doors share one address. `admin`: control alone, on its own address.
  Status Listen(const config::ListenAddress& address, http::PortUse use);
  Status ListenAdmin(const config::ListenAddress& address);

  os::AsioLoop& loop() { return loop_; }
  const http::Server& server() const { return *server_; }
  const http::Server* admin_server() const { return admin_server_.get(); }

  // On the loop's thread. Requests in progress are answered; `done` when no connection is left.
  void Drain(std::function<void()> done);

 private:
  os::AsioLoop loop_;
  const DoorWorld world_;
  ingest::SourceDirectory directory_;
  ingest::LoopIntake intake_;
  control::ControlApi api_;
  std::vector<std::unique_ptr<ingest::Source>> sources_;
  http::Router router_;
  http::Router admin_router_;
  std::unique_ptr<http::Server> server_;
  std::unique_ptr<http::Server> admin_server_;
  int draining_ = 0;
};

}  // namespace tributary::app
