// What the tests of this folder share: a loop on a thread, a scripted handler, and a client that
// sends exactly the bytes it is told to.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <future>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "http/server.h"

namespace tributary::http::test {

class LoopThread {
 public:
  LoopThread() : thread_([this] { loop.Run(); }) {}
  ~LoopThread() {
    loop.Stop();
    thread_.join();
  }
  // Runs `call` on the loop's thread and waits for it.
  template <class F>
  auto Call(F call) -> decltype(call()) {
    std::promise<decltype(call())> result;
    loop.Post([&] {
      if constexpr (std::is_void_v<decltype(call())>) {
        call();
        result.set_value();
      } else {
        result.set_value(call());
      }
    });
    return result.get_future().get();
  }
  os::AsioLoop loop;

 private:
  std::thread thread_;
};

// Answers every request with its path and body; tests replace `handle` for anything else.
class ScriptedHandler : public Handler {
 public:
  std::size_t BodyBytesMax(const Request&) override { return body_bytes_max; }
  void Handle(const Request& request, Responder responder) override {
    ++handled;
    if (request.path == "/hidden") ++hidden;
    if (handle) return handle(request, std::move(responder));
    responder.Send(Response::Text(200, std::string(request.path) + "|" +
                                           std::string(request.query) + "|" +
                                           std::string(request.body)));
  }
  std::size_t body_bytes_max = 1000;
  std::function<void(const Request&, Responder)> handle;
  std::atomic<int> handled = 0;
  std::atomic<int> hidden = 0;
};

struct RawResponse {
  int status = 0;
  std::string head;
  std::string body;
  std::string Header(const std::string& name) const {
    const std::size_t at = head.find("\r\n" + name + ": ");
    if (at == std::string::npos) return "";
    const std::size_t from = at + name.size() + 4;
    return head.substr(from, head.find("\r\n", from) - from);
  }
};

class RawClient {
 public:
  RawClient() : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {}
  explicit RawClient(std::uint16_t port) : RawClient() { EXPECT_TRUE(Connect(port)); }
  ~RawClient() { Close(); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  bool Connect(std::uint16_t port) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return ::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0;
  }
  // Without waiting for the other side.
  void StartConnect(std::uint16_t port) {
    ::fcntl(fd_, F_SETFL, O_NONBLOCK);
    Connect(port);
  }
  bool Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
  }
  void ShutdownWrite() { ::shutdown(fd_, SHUT_WR); }
  void Reset() {  // closes with RST
    const linger hard{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    Close();
  }
  void Close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

  // False: closed, or nothing came in time.
  bool Fill(int timeout_ms = 5000) {
    pollfd wait{.fd = fd_, .events = POLLIN, .revents = 0};
    if (::poll(&wait, 1, timeout_ms) <= 0) return false;
    char bytes[65536];
    const ssize_t n = ::recv(fd_, bytes, sizeof bytes, 0);
    if (n <= 0) {
      closed_ = true;
      return false;
    }
    buffer_.append(bytes, static_cast<std::size_t>(n));
    return true;
  }
  // The next response; status 0 when none came. `head_only`: of a HEAD request.
  RawResponse Read(bool head_only = false, int timeout_ms = 5000) {
    RawResponse response;
    std::size_t end;
    while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
      if (!Fill(timeout_ms)) return response;
    }
    response.head = buffer_.substr(0, end + 4);
    response.status = std::atoi(response.head.c_str() + 9);
    buffer_.erase(0, end + 4);
    const std::string length = response.Header("Content-Length");
    const std::size_t size = length.empty() || head_only ? 0 : std::stoul(length);
    while (buffer_.size() < size) {
      if (!Fill(timeout_ms)) return {};
    }
    response.body = buffer_.substr(0, size);
    buffer_.erase(0, size);
    return response;
  }
  // True when the other side closes before the timeout and sends nothing more.
  bool Closed(int timeout_ms = 5000) {
    const std::size_t before = buffer_.size();
    while (Fill(timeout_ms)) {
    }
    return closed_ && buffer_.size() == before;
  }
  std::string& buffer() { return buffer_; }

 private:
  int fd_;
  bool closed_ = false;
  std::string buffer_;
};

// A server on a loop thread, with the limits and the handler of the test.
class TestServer {
 public:
  explicit TestServer(const ServerLimits& limits = {}) : TestServer(limits, nullptr) {}
  TestServer(const ServerLimits& limits, Handler* other) {
    server = thread.Call([&] {
      return Listen(thread.loop, "127.0.0.1", 0, PortUse::kAlone, limits, other ? *other : handler)
          .value();
    });
  }
  ~TestServer() {
    thread.Call([&] { server.reset(); });
  }
  std::uint16_t port() const { return server->port(); }
  std::size_t connections() {
    return thread.Call([&] { return server->connections(); });
  }
  ScriptedHandler handler;
  LoopThread thread;
  std::unique_ptr<Server> server;
};

inline std::string Get(const std::string& path, const std::string& more = "") {
  return "GET " + path + " HTTP/1.1\r\nHost: h\r\n" + more + "\r\n";
}
inline std::string Post(const std::string& path, const std::string& body,
                        const std::string& more = "") {
  return "POST " + path + " HTTP/1.1\r\nHost: h\r\n" + more +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

}  // namespace tributary::http::test
