// For tests of the client: a peer that does what a script says, and a client with its guard.
#pragma once

#include <csignal>

#include "http/client.h"
#include "http/http_kit_test.h"

namespace tributary::http::test {

// A TCP server that does to each connection what the test says, on a thread of its own.
class Peer {
 public:
  using Script = std::function<void(int fd)>;
  explicit Peer(Script script, int backlog = 64) : script_(std::move(script)) {
    fd_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
    socklen_t size = sizeof at;
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&at), &size);
    port_ = ntohs(at.sin_port);
    ::listen(fd_, backlog);
    if (script_) thread_ = std::thread([this] { Accept(); });
  }
  ~Peer() {
    stopping = true;
    ::shutdown(fd_, SHUT_RDWR);
    if (thread_.joinable()) thread_.join();
    for (const int fd : fds_) ::shutdown(fd, SHUT_RDWR);  // whatever the scripts wait for ends
    for (std::thread& thread : connections_) thread.join();
    for (const int fd : fds_) ::close(fd);
    ::close(fd_);
  }
  std::string url(const std::string& path = "/") const {
    return "http://127.0.0.1:" + std::to_string(port_) + path;
  }
  std::uint16_t port() const { return port_; }

  // For scripts.
  static std::string ReadHead(int fd) {
    std::string head;
    char byte;
    while (!head.ends_with("\r\n\r\n") && ::recv(fd, &byte, 1, 0) == 1) head += byte;
    return head;
  }
  static bool Write(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
  }
  static void WaitForEnd(int fd) {
    char scratch[4096];
    while (::recv(fd, scratch, sizeof scratch, 0) > 0) {
    }
  }
  std::atomic<int> accepted = 0;
  std::atomic<bool> stopping = false;

 private:
  void Accept() {
    for (;;) {
      const int fd = ::accept(fd_, nullptr, nullptr);
      if (fd < 0) return;
      ++accepted;
      fds_.push_back(fd);
      connections_.emplace_back([this, fd] {
        script_(fd);
        linger how{};
        socklen_t size = sizeof how;
        ::getsockopt(fd, SOL_SOCKET, SO_LINGER, &how, &size);
        // A script that asked for a reset gets one: its descriptor is then another's.
        if (how.l_onoff) ::dup2(fd_, fd);
        ::shutdown(fd, SHUT_RDWR);
      });
    }
  }
  Script script_;
  int fd_ = -1;
  std::uint16_t port_ = 0;
  std::thread thread_;
  std::vector<int> fds_;
  std::vector<std::thread> connections_;
};

struct ClientTest : ::testing::Test {
  explicit ClientTest(std::vector<std::string> allow = {"127.0.0.1/32"}, ClientOptions options = {})
      : guard(EgressGuard::Make({.allow = std::move(allow)}).value()) {
    ::signal(SIGPIPE, SIG_IGN);  // as the program does
    client = thread.Call([&] { return MakeCurlClient(thread.loop, guard, options); });
  }
  ~ClientTest() override {
    thread.Call([&] { client.reset(); });
  }
  std::future<ClientResponse> Start(ClientRequest request) {
    auto promise = std::make_shared<std::promise<ClientResponse>>();
    thread.Call([&] {
      last_id = client->Send(std::move(request), [promise](ClientResponse response) {
        promise->set_value(std::move(response));
      });
    });
    return promise->get_future();
  }
  ClientResponse Ask(ClientRequest request) { return Start(std::move(request)).get(); }
  ClientResponse Post(const std::string& url, const std::string& body = "body",
                      MonoNanos timeout_ns = 5 * kNanosPerSecond) {
    return Ask({.url = url, .body = std::make_shared<std::string>(body), .timeout_ns = timeout_ns});
  }
  EgressGuard guard;
  LoopThread thread;
  std::unique_ptr<Client> client;
  Client::Id last_id = 0;
};

}  // namespace tributary::http::test
