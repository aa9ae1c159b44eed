#include "bench/support/socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "bench/support/die.h"

namespace tributary::bench {
namespace {

sockaddr_in ToSockaddr(const Address& address) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(address.port);
  if (inet_pton(AF_INET, address.host.c_str(), &out.sin_addr) != 1) {
    Die(address.host + " is not an IPv4 address");
  }
  return out;
}

void SetNoDelay(int fd) {
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

}  // namespace

Address ParseAddress(const std::string& text) {
  std::string rest = text.starts_with("http://") ? text.substr(7) : text;
  while (rest.ends_with('/')) rest.pop_back();
  const size_t colon = rest.rfind(':');
  if (colon == std::string::npos) Die(text + " is not HOST:PORT");
  char* end = nullptr;
  const unsigned long port = std::strtoul(rest.c_str() + colon + 1, &end, 10);
  if (*end != '\0' || colon + 1 == rest.size() || port > 65535) Die(text + " is not HOST:PORT");
  return {rest.substr(0, colon), static_cast<uint16_t>(port)};
}

int Listen(Address* address) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) DieErrno("socket");
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in where = ToSockaddr(*address);
  socklen_t size = sizeof where;
  if (bind(fd, reinterpret_cast<sockaddr*>(&where), size) != 0) {
    DieErrno("bind " + address->Text());
  }
  if (listen(fd, 1024) != 0) DieErrno("listen");
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&where), &size) != 0) DieErrno("getsockname");
  address->port = ntohs(where.sin_port);
  return fd;
}

int Connect(const Address& address) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) DieErrno("socket");
  sockaddr_in where = ToSockaddr(address);
  if (connect(fd, reinterpret_cast<sockaddr*>(&where), sizeof where) != 0) {
    close(fd);
    return -1;
  }
  SetNoDelay(fd);
  if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0) DieErrno("fcntl");
  return fd;
}

int Accept(int listener) {
  const int fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd >= 0) SetNoDelay(fd);
  return fd;
}

void AnnounceListening(const Address& address) {
  std::fprintf(stderr, "listening on http://%s\n", address.Text().c_str());
}

}  // namespace tributary::bench
