#pragma once

// Loopback TCP sockets for the bench programs: IPv4, non-blocking, TCP_NODELAY. Failure is Die, as
// nothing can be measured then, except where a function says that it returns -1.

#include <cstdint>
#include <string>

namespace tributary::bench {

struct Address {
  std::string host;
  uint16_t port = 0;

  std::string Text() const { return host + ":" + std::to_string(port); }
};

// `HOST:PORT` or `http://HOST:PORT`; HOST is an IPv4 address.
Address ParseAddress(const std::string& text);

// Binds and listens; port 0 picks a free one, and `address` then holds it. The caller owns the fd.
int Listen(Address* address);

// Connects (blocking), then makes the socket non-blocking. -1 when refused. The caller owns the fd.
int Connect(const Address& address);

// Accepts one waiting connection; -1 when none waits. The caller owns the fd.
int Accept(int listener);

// Says on standard error where the program listens, as `tributary serve` does.
void AnnounceListening(const Address& address);

}  // namespace tributary::bench
