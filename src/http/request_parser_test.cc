#include "http/request_parser.h"

#include <gtest/gtest.h>

namespace tributary::http {
namespace {

// One byte more at each call, as the worst network would do it. Empty: refused.
std::string ReadByteByByte(std::string bytes) {
  const ServerLimits limits;
  RequestParser parser(limits);
  bool limited = false;
  for (std::size_t size = 1; size <= bytes.size(); ++size) {
    if (parser.ParseHead(bytes.data(), size) != RequestParser::Step::kReady) continue;
    if (!std::exchange(limited, true)) parser.LimitBody(1000);
    const auto step = parser.ParseBody(bytes.data(), size);
    if (step == RequestParser::Step::kRejected) return "";
    if (step == RequestParser::Step::kMore) continue;
    EXPECT_EQ(parser.wire_bytes(), size);
    return std::string(parser.request().path) + "|" + std::string(parser.request().body);
  }
  return "unfinished";
}

// Found by fuzzing: "0\r\n" and then a single byte ran into an assertion of Beast, which is the
// end of the process.
TEST(RequestParser, ALastChunkMayArriveByteByByte) {
  const std::string head = "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  EXPECT_EQ(ReadByteByByte(head + "0\r\n\r\n"), "/a|");
  EXPECT_EQ(ReadByteByByte(head + "0;x\r\n\r\n"), "/a|");
  EXPECT_EQ(ReadByteByByte(head + "0\r\nT: 1\r\n\r\n"), "/a|");
  EXPECT_EQ(ReadByteByByte(head + "1\r\nb\r\n0\r\n\r\n"), "/a|b");
  EXPECT_EQ(ReadByteByByte(head + "1\r\nb\r\n2\r\ncd\r\n00\r\nT: 1\r\n\r\n"), "/a|bcd");
}

TEST(RequestParser, ViewsFollowTheBytesWhenTheyMove) {
  const ServerLimits limits;
  RequestParser parser(limits);
  const std::string bytes =
      "POST /path?query HTTP/1.1\r\nHost: h\r\nX: value\r\nContent-Length: 4\r\n\r\nbody";
  std::string first = bytes.substr(0, bytes.size() - 2);
  ASSERT_EQ(parser.ParseHead(first.data(), first.size()), RequestParser::Step::kReady);
  ASSERT_EQ(parser.LimitBody(4), RequestParser::Step::kReady);
  ASSERT_EQ(parser.ParseBody(first.data(), first.size()), RequestParser::Step::kMore);
  EXPECT_EQ(parser.bytes_expected(), bytes.size());
  std::string second = bytes;
  std::fill(first.begin(), first.end(), '?');
  ASSERT_EQ(parser.ParseHead(second.data(), second.size()), RequestParser::Step::kReady);
  ASSERT_EQ(parser.ParseBody(second.data(), second.size()), RequestParser::Step::kReady);
  EXPECT_EQ(parser.request().path, "/path");
  EXPECT_EQ(parser.request().query, "query");
  EXPECT_EQ(parser.request().header("x"), "value");
  EXPECT_EQ(parser.request().body, "body");
}

}  // namespace
}  // namespace tributary::http
