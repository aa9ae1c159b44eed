#pragma once

// The little HTTP/1.1 that a bound and a load generator need: heads with Content-Length,
// keep-alive, pipelining. No chunked bodies: a message that has none of what is expected here is
// "broken", and the programs count it or stop, never guess.

#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>

namespace tributary::bench {

// The value of Content-Length in a head (request line or status line and fields), 0 when absent,
// nothing when it is not a number.
std::optional<size_t> ContentLength(std::string_view head);

struct Response {
  int status = 0;
  std::string_view body;
};

enum class Parsed { kWhole, kNeedMore, kBroken };

// Parses the response that `bytes` starts with; `size` is how many bytes it took.
Parsed ParseResponse(std::string_view bytes, Response* response, size_t* size);

struct Request {
  std::string_view method;
  std::string_view path;
  std::string_view body;  // at least kBodyPadding readable bytes follow it
};

constexpr size_t kBodyPadding = 64;

// Reads requests of one connection into a buffer of its own. Views that Next gave stay valid until
// Compact. Thread: one.
class RequestReader {
 public:
  RequestReader();

  // Reads once. False when the peer closed, on an error, or when a request does not fit.
  bool Fill(int fd);
  Parsed Next(Request* request);
  // Drops what Next has given.
  void Compact();

 private:
  static constexpr size_t kCapacityBytes = 1 << 20;

  Parsed ParseHead();

  std::unique_ptr<char[]> bytes_;
  size_t begin_ = 0;
  size_t end_ = 0;
  // Of the request at begin_; zero until its head is whole, so that a long body is not rescanned.
  size_t head_bytes_ = 0;
  size_t body_bytes_ = 0;
};

}  // namespace tributary::bench
