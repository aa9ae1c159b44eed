// libcurl's multi interface on an Asio loop: curl says which sockets and which time it waits for,
// this class waits and tells it. No thread, no polling. Sockets are made here too, so that nobody
// connects without having been asked about the address.
//
// One thread. `on_progress` runs after each step that may have finished transfers.
#pragma once

#include <curl/curl.h>

#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <unordered_map>

#include "os/asio_loop.h"

namespace tributary::http {

class CurlDriver {
 public:
  CurlDriver(os::AsioLoop& loop, std::function<void()> on_progress);
  ~CurlDriver();  // every easy handle has been removed before
  CurlDriver(const CurlDriver&) = delete;
  CurlDriver& operator=(const CurlDriver&) = delete;

  CURLM* multi() { return multi_; }

  // A socket for curl, or CURL_SOCKET_BAD. It goes through CloseSocket at its end.
  curl_socket_t OpenSocket(int family);
  static int CloseSocket(void* driver, curl_socket_t fd);

 private:
  struct Watch;
  static int OnSocket(CURL*, curl_socket_t fd, int what, void* driver, void* watch);
  static int OnTimeout(CURLM*, long timeout_ms, void* driver);

  std::shared_ptr<Watch> Add(curl_socket_t fd, bool is_ours);
  void Want(const std::shared_ptr<Watch>& watch, int what);
  void Wait(const std::shared_ptr<Watch>& watch, bool write);
  void Step(curl_socket_t fd, int events);
  void StepSoon();
  void WaitUntil(MonoNanos due_ns);

  os::AsioLoop& loop_;
  std::function<void()> on_progress_;
  CURLM* multi_;
  std::unordered_map<curl_socket_t, std::shared_ptr<Watch>> watches_;
  boost::asio::steady_timer timer_;
  MonoNanos due_ns_ = 0;        // when curl wants to be called; 0: not
  MonoNanos armed_for_ns_ = 0;  // what the timer is set to; 0: not set
  bool step_posted_ = false;
  std::shared_ptr<int> alive_ = std::make_shared<int>();
};

}  // namespace tributary::http
