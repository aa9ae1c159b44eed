// Request framing: however the bytes arrive, the same requests must come out, or the same refusal.
// What a request ends with must not depend on where the network cut it.
#include <cstring>
#include <vector>

#include "base/check.h"
#include "http/request_parser.h"

using tributary::http::RequestParser;
using tributary::http::ServerLimits;

namespace {

constexpr std::size_t kBodyBytesMax = 256;

// "method path body" of each request, and the status of a refusal.
std::vector<std::string> Parse(std::string_view input, std::size_t piece) {
  ServerLimits limits;
  limits.header_bytes_max = 512;
  limits.headers_max = 10;
  limits.target_bytes_max = 64;
  RequestParser parser(limits);
  std::vector<std::string> out;
  std::vector<char> bytes(input.begin(), input.end());
  std::size_t begin = 0, size = 0;
  bool limited = false;
  while (begin < bytes.size()) {
    size = std::min(size + piece, bytes.size() - begin);
    const auto refuse = [&] { out.push_back(std::to_string(parser.rejection().status)); };
    switch (parser.ParseHead(bytes.data() + begin, size)) {
      case RequestParser::Step::kRejected:
        refuse();
        return out;
      case RequestParser::Step::kMore:
        if (begin + size == bytes.size()) return out;
        continue;
      case RequestParser::Step::kReady:
        break;
    }
    if (!std::exchange(limited, true)) {
      if (parser.LimitBody(kBodyBytesMax) == RequestParser::Step::kRejected) {
        refuse();
        return out;
      }
    }
    switch (parser.ParseBody(bytes.data() + begin, size)) {
      case RequestParser::Step::kRejected:
        refuse();
        return out;
      case RequestParser::Step::kMore:
        if (begin + size == bytes.size()) return out;
        continue;
      case RequestParser::Step::kReady:
        break;
    }
    const auto& request = parser.request();
    CHECK(request.body.size() <= kBodyBytesMax);
    CHECK(parser.wire_bytes() <= size && parser.wire_bytes() > 0);
    out.push_back(std::string(request.method_text) + " " + std::string(request.path) + "?" +
                  std::string(request.query) + " " + std::string(request.header("x")) + " " +
                  std::string(request.body));
    begin += parser.wire_bytes();
    size = 0;
    parser.Reset();
    limited = false;
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0 || size > 4096) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto whole = Parse(input, size);
  // When a refusal comes, and by which limit, may depend on the pieces; what is executed may not.
  const auto requests = [](std::vector<std::string> all) {
    std::erase_if(all, [](const std::string& one) { return one.size() == 3; });
    return all;
  };
  for (const std::size_t piece : {1, 3, 16}) {
    CHECK(requests(Parse(input, piece)) == requests(whole));
  }
  return 0;
}
