#include "bench/support/http_text.h"

#include <strings.h>
#include <sys/socket.h>

#include <cerrno>
#include <charconv>
#include <cstring>

namespace tributary::bench {
namespace {

constexpr std::string_view kHeadEnd = "\r\n\r\n";
constexpr std::string_view kContentLength = "content-length:";

bool IsContentLength(std::string_view line) {
  return line.size() > kContentLength.size() && (line[0] | 0x20) == 'c' &&
         strncasecmp(line.data(), kContentLength.data(), kContentLength.size()) == 0;
}

}  // namespace

std::optional<size_t> ContentLength(std::string_view head) {
  for (size_t at = head.find('\n'); at != std::string_view::npos; at = head.find('\n', at)) {
    std::string_view line = head.substr(++at);
    if (!IsContentLength(line)) continue;
    line.remove_prefix(kContentLength.size());
    while (line.starts_with(' ')) line.remove_prefix(1);
    size_t value = 0;
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), value);
    if (error != std::errc{} || end == line.data() + line.size() || *end != '\r') return {};
    return value;
  }
  return 0;
}

Parsed ParseResponse(std::string_view bytes, Response* response, size_t* size) {
  const size_t head_end = bytes.find(kHeadEnd);
  if (head_end == std::string_view::npos) return Parsed::kNeedMore;
  const std::string_view head = bytes.substr(0, head_end + kHeadEnd.size());
  const std::optional<size_t> length = ContentLength(head);
  if (!length || head.size() < 13 || !head.starts_with("HTTP/1.1 ")) return Parsed::kBroken;
  const auto [end, error] = std::from_chars(&head[9], &head[12], response->status);
  if (error != std::errc{} || end != &head[12]) return Parsed::kBroken;
  if (bytes.size() < head.size() + *length) return Parsed::kNeedMore;
  response->body = bytes.substr(head.size(), *length);
  *size = head.size() + *length;
  return Parsed::kWhole;
}

RequestReader::RequestReader()
    : bytes_(std::make_unique_for_overwrite<char[]>(kCapacityBytes + kBodyPadding)) {}

bool RequestReader::Fill(int fd) {
  if (end_ == kCapacityBytes) return false;
  const ssize_t got = recv(fd, bytes_.get() + end_, kCapacityBytes - end_, 0);
  if (got > 0) end_ += static_cast<size_t>(got);
  return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

Parsed RequestReader::ParseHead() {
  const std::string_view bytes(bytes_.get() + begin_, end_ - begin_);
  const size_t head_end = bytes.find(kHeadEnd);
  if (head_end == std::string_view::npos) return Parsed::kNeedMore;
  const std::optional<size_t> length = ContentLength(bytes.substr(0, head_end + kHeadEnd.size()));
  if (!length || *length > kCapacityBytes) return Parsed::kBroken;
  head_bytes_ = head_end + kHeadEnd.size();
  body_bytes_ = *length;
  return Parsed::kWhole;
}

Parsed RequestReader::Next(Request* request) {
  if (head_bytes_ == 0) {
    const Parsed head = ParseHead();
    if (head != Parsed::kWhole) return head;
  }
  if (end_ - begin_ < head_bytes_ + body_bytes_) return Parsed::kNeedMore;
  const std::string_view head(bytes_.get() + begin_, head_bytes_);
  const size_t method_end = head.find(' ');
  const size_t path_end = head.find(' ', method_end + 1);
  if (method_end == std::string_view::npos || path_end == std::string_view::npos) {
    return Parsed::kBroken;
  }
  request->method = head.substr(0, method_end);
  request->path = head.substr(method_end + 1, path_end - method_end - 1);
  request->body = {bytes_.get() + begin_ + head_bytes_, body_bytes_};
  begin_ += head_bytes_ + body_bytes_;
  head_bytes_ = body_bytes_ = 0;
  return Parsed::kWhole;
}

void RequestReader::Compact() {
  if (begin_ == 0) return;
  std::memmove(bytes_.get(), bytes_.get() + begin_, end_ - begin_);
  end_ -= begin_;
  begin_ = 0;
}

}  // namespace tributary::bench
