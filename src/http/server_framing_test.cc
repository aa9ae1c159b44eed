// Request smuggling (RELIABILITY.md B3; RFC 9112 sections 2.2, 5, 6 and 11.2): whatever two readers
// could understand differently is answered 400 and the connection closed, and the request hidden
// behind it is never executed.
#include "http/http_kit_test.h"

namespace tributary::http {
namespace {

using test::Get;
using test::Post;
using test::RawClient;
using test::TestServer;

const std::string kHidden = "GET /hidden HTTP/1.1\r\nHost: h\r\n\r\n";

std::string PostHead(const std::string& headers) {
  return "POST / HTTP/1.1\r\nHost: h\r\n" + headers + "\r\n";
}
std::string Chunked(const std::string& body, const std::string& more = "") {
  return PostHead("Transfer-Encoding: chunked\r\n" + more) + body;
}

struct Row {
  const char* name;
  std::string bytes;
};

std::vector<Row> AmbiguousLength() {
  const std::string chunks = "0\r\n\r\n" + kHidden;
  const auto te = [&](const std::string& value) {
    return PostHead("Transfer-Encoding: " + value + "\r\n") + chunks;
  };
  const auto cl = [&](const std::string& value) {
    return PostHead("Content-Length: " + value + "\r\n") + "hello" + kHidden;
  };
  return {
      {"CL then TE", PostHead("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n") + chunks},
      {"TE then CL", PostHead("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n") + chunks},
      {"CL 0 then TE", PostHead("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n") + chunks},
      {"TE lower case then CL",
       PostHead("transfer-encoding: CHUNKED\r\ncontent-length: 5\r\n") + chunks},
      {"two CL", PostHead("Content-Length: 5\r\nContent-Length: 6\r\n") + "hello" + kHidden},
      {"two equal CL", PostHead("Content-Length: 5\r\nContent-Length: 5\r\n") + "hello" + kHidden},
      {"CL list", cl("5, 6")},
      {"CL equal list", cl("5, 5")},
      {"CL plus", cl("+5")},
      {"CL minus", cl("-5")},
      {"CL minus zero", cl("-0")},
      {"CL hex", cl("0x5")},
      {"CL empty", cl("")},
      {"CL blank", cl("   ")},
      {"CL letter", cl("5a")},
      {"CL inner space", cl("5 5")},
      {"CL comma end", cl("5,")},
      {"CL comma begin", cl(",5")},
      {"CL fraction", cl("5.0")},
      {"CL exponent", cl("5e0")},
      {"CL quoted", cl("\"5\"")},
      {"CL overflow", cl("18446744073709551621")},
      {"CL long overflow", cl(std::string(60, '9'))},
      {"CL underscore", cl("1_0")},
      {"TE identity", te("identity")},
      {"TE chunked, identity", te("chunked, identity")},
      {"TE identity, chunked", te("identity, chunked")},
      {"TE gzip, chunked", te("gzip, chunked")},
      {"TE chunked, chunked", te("chunked, chunked")},
      {"TE xchunked", te("xchunked")},
      {"TE chunkedx", te("chunkedx")},
      {"TE chunked with parameter", te("chunked;q=1")},
      {"TE quoted", te("\"chunked\"")},
      {"TE empty", te("")},
      {"TE comma", te("chunked,")},
      {"TE comma first", te(",chunked")},
      {"TE gzip", te("gzip")},
      {"TE vertical tab", te("\vchunked")},
      {"two TE", PostHead("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n") + chunks},
      {"TE then TE identity",
       PostHead("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n") + chunks},
      {"TE identity and CL",
       PostHead("Transfer-Encoding: identity\r\nContent-Length: 5\r\n") + "hello" + kHidden},
      {"HTTP/1.0 with TE",
       "POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks},
  };
}

std::vector<Row> BrokenHead() {
  return {
      {"space before colon", PostHead("Content-Length : 5\r\n") + "hello" + kHidden},
      {"tab before colon", PostHead("Transfer-Encoding\t: chunked\r\n") + "0\r\n\r\n" + kHidden},
      {"space before name", "GET / HTTP/1.1\r\nHost: h\r\n X: 1\r\n\r\n" + kHidden},
      {"first header folded", "GET / HTTP/1.1\r\n Host: h\r\n\r\n" + kHidden},
      {"obs-fold", Get("/", "X: a\r\n b\r\n") + kHidden},
      {"obs-fold tab", Get("/", "X: a\r\n\tb\r\n") + kHidden},
      {"obs-fold of an empty value", Get("/", "X:\r\n b\r\n") + kHidden},
      {"obs-fold of blanks", Get("/", "X: a\r\n \r\n") + kHidden},
      {"obs-fold hides CL",
       PostHead("X: a\r\n Content-Length: 5\r\nContent-Length: 0\r\n") + kHidden},
      {"obs-fold in TE", PostHead("Transfer-Encoding:\r\n chunked\r\n") + "0\r\n\r\n" + kHidden},
      {"bare LF everywhere", "GET / HTTP/1.1\nHost: h\n\n" + kHidden},
      {"bare LF after request line", "GET / HTTP/1.1\nHost: h\r\n\r\n" + kHidden},
      {"bare LF after header", "GET / HTTP/1.1\r\nHost: h\n\r\n" + kHidden},
      {"bare LF in value", Get("/", "X: a\nContent-Length: 5\r\n") + kHidden},
      {"bare LF ends head", "GET / HTTP/1.1\r\nHost: h\r\n\n" + kHidden},
      {"bare CR in value", Get("/", "X: a\rY: b\r\n") + kHidden},
      {"bare CR ends line", "GET / HTTP/1.1\rHost: h\r\r" + kHidden},
      {"NUL in name", Get("/", std::string("X\0Y: 1\r\n", 8)) + kHidden},
      {"NUL in value", Get("/", std::string("X: a\0b\r\n", 8)) + kHidden},
      {"NUL in target", std::string("GET /\0a HTTP/1.1\r\nHost: h\r\n\r\n", 29) + kHidden},
      {"control byte in value", Get("/", "X: a\x01\r\n") + kHidden},
      {"DEL in value", Get("/", "X: a\x7F\r\n") + kHidden},
      {"no colon", Get("/", "Header\r\n") + kHidden},
      {"empty name", Get("/", ": 1\r\n") + kHidden},
      {"name in brackets", Get("/", "[X]: 1\r\n") + kHidden},
      {"name not ASCII", Get("/", "X\xC3\xA9: 1\r\n") + kHidden},
      {"no Host", "GET / HTTP/1.1\r\n\r\n" + kHidden},
      {"two Hosts", "GET / HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n" + kHidden},
      {"two equal Hosts", "GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n" + kHidden},
      {"Host list", "GET / HTTP/1.1\r\nHost: h, i\r\n\r\n" + kHidden},
      {"Host with user", "GET / HTTP/1.1\r\nHost: u@h\r\n\r\n" + kHidden},
      {"Host with path", "GET / HTTP/1.1\r\nHost: h/x\r\n\r\n" + kHidden},
      {"absolute-form against Host", "GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n" + kHidden},
      {"absolute-form with user", "GET http://u@h/ HTTP/1.1\r\nHost: h\r\n\r\n" + kHidden},
      {"absolute-form without host", "GET http:///x HTTP/1.1\r\nHost: h\r\n\r\n" + kHidden},
      {"other scheme", "GET ftp://h/ HTTP/1.1\r\nHost: h\r\n\r\n" + kHidden},
      {"authority-form", "CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n" + kHidden},
      {"asterisk of GET", "GET * HTTP/1.1\r\nHost: h\r\n\r\n" + kHidden},
      {"fragment", "GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n" + kHidden},
      {"two spaces before target", "GET  / HTTP/1.1\r\nHost: h\r\n\r\n" + kHidden},
      {"two spaces before version", "GET /  HTTP/1.1\r\nHost: h\r\n\r\n" + kHidden},
      {"space in target", "GET /a b HTTP/1.1\r\nHost: h\r\n\r\n" + kHidden},
      {"tab in request line", "GET\t/ HTTP/1.1\r\nHost: h\r\n\r\n" + kHidden},
      {"space after version", "GET / HTTP/1.1 \r\nHost: h\r\n\r\n" + kHidden},
      {"no version", "GET /\r\nHost: h\r\n\r\n" + kHidden},
      {"HTTP/0.9", "GET / HTTP/0.9\r\nHost: h\r\n\r\n" + kHidden},
      {"HTTP/1.2", "GET / HTTP/1.2\r\nHost: h\r\n\r\n" + kHidden},
      {"HTTP/2.0", "GET / HTTP/2.0\r\nHost: h\r\n\r\n" + kHidden},
      {"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + kHidden},
      {"version in lower case", "GET / http/1.1\r\nHost: h\r\n\r\n" + kHidden},
      {"HTTP/11", "GET / HTTP/11\r\nHost: h\r\n\r\n" + kHidden},
      {"method not a token", "G@T / HTTP/1.1\r\nHost: h\r\n\r\n" + kHidden},
      {"no method", " / HTTP/1.1\r\nHost: h\r\n\r\n" + kHidden},
      {"several empty lines first", "\r\n\r\n\r\n" + kHidden},
      {"LF first", "\n" + kHidden},
      {"TLS hello", std::string("\x16\x03\x01\x02\x00\x01\x00", 7) + kHidden},
  };
}

std::vector<Row> BrokenChunks() {
  return {
      {"size overflow", Chunked("10000000000000005\r\nhello\r\n0\r\n\r\n") + kHidden},
      {"size far overflow", Chunked(std::string(40, 'f') + "\r\nhello\r\n0\r\n\r\n") + kHidden},
      {"size negative", Chunked("-5\r\nhello\r\n0\r\n\r\n") + kHidden},
      {"size plus", Chunked("+5\r\nhello\r\n0\r\n\r\n") + kHidden},
      {"size with 0x", Chunked("0x5\r\nhello\r\n0\r\n\r\n") + kHidden},
      {"size not hex", Chunked("g\r\nhello\r\n0\r\n\r\n") + kHidden},
      {"size empty", Chunked("\r\nhello\r\n0\r\n\r\n") + kHidden},
      {"space before size", Chunked(" 5\r\nhello\r\n0\r\n\r\n") + kHidden},
      {"space after size", Chunked("5 \r\nhello\r\n0\r\n\r\n") + kHidden},
      {"LF after size", Chunked("5\nhello\r\n0\r\n\r\n") + kHidden},
      {"CR after size", Chunked("5\rhello\r\n0\r\n\r\n") + kHidden},
      {"data too long", Chunked("5\r\nhello!\r\n0\r\n\r\n") + kHidden},
      {"data too short", Chunked("6\r\nhello\r\n0\r\n\r\n") + kHidden},
      {"LF after data", Chunked("5\r\nhello\n0\r\n\r\n") + kHidden},
      {"no line end after data", Chunked("5\r\nhello0\r\n\r\n") + kHidden},
      {"bare LF in extension", Chunked("5;a=\nb\r\nhello\r\n0\r\n\r\n") + kHidden},
      {"extension without name", Chunked("5;=b\r\nhello\r\n0\r\n\r\n") + kHidden},
      {"extension with NUL", Chunked(std::string("5;a\0b\r\nhello\r\n0\r\n\r\n", 20)) + kHidden},
      {"line end in quoted extension", Chunked("5;a=\"\r\n\"\r\nhello\r\n0\r\n\r\n") + kHidden},
      {"bare LF alone", Chunked("5\nhello\n0\n\n")},
      {"bare LF after data alone", Chunked("5\r\nhello\n0\n\n")},
      {"bare LF after trailer alone", Chunked("0\r\nX: a\n\n")},
      {"trailer folded", Chunked("0\r\nX: a\r\n b\r\n\r\n") + kHidden},
      {"trailer with space before colon", Chunked("0\r\nX : a\r\n\r\n") + kHidden},
      {"trailer without colon", Chunked("0\r\nGET /hidden HTTP/1.1\r\n\r\n") + kHidden},
      {"trailer with LF", Chunked("0\r\nX: a\nY: b\r\n\r\n") + kHidden},
      {"trailer states a length", Chunked("0\r\nContent-Length: 5\r\n\r\n") + kHidden},
      {"trailer states an encoding", Chunked("0\r\nTransfer-Encoding: chunked\r\n\r\n") + kHidden},
  };
}

class Smuggling : public ::testing::TestWithParam<std::vector<Row>> {};

// Each row is sent whole, and once more a byte at a time up to its end.
TEST_P(Smuggling, IsAnswered400AndClosedAndHidesNothing) {
  TestServer server;
  for (const Row& row : GetParam()) {
    for (const bool in_pieces : {false, true}) {
      SCOPED_TRACE(std::string(row.name) + (in_pieces ? ", in pieces" : ""));
      RawClient client(server.port());
      if (in_pieces) {
        for (std::size_t i = 0; i < row.bytes.size(); i += 7) {
          if (!client.Send(row.bytes.substr(i, 7))) break;
          if (i % 3 == 0) std::this_thread::yield();
        }
      } else {
        client.Send(row.bytes);
      }
      const auto response = client.Read();
      EXPECT_EQ(response.status, 400);
      EXPECT_EQ(response.Header("Connection"), "close");
      EXPECT_NE(response.body.find("\"code\":\"invalid\""), std::string::npos) << response.body;
      client.ShutdownWrite();
      EXPECT_TRUE(client.Closed());
    }
  }
  EXPECT_EQ(server.handler.hidden, 0);
  EXPECT_EQ(server.handler.handled, 0);
}

INSTANTIATE_TEST_SUITE_P(Length, Smuggling, ::testing::Values(AmbiguousLength()));
INSTANTIATE_TEST_SUITE_P(Head, Smuggling, ::testing::Values(BrokenHead()));
INSTANTIATE_TEST_SUITE_P(Chunks, Smuggling, ::testing::Values(BrokenChunks()));

TEST(Smuggling, TheMatrixHasEightyRowsAndMore) {
  EXPECT_GE(AmbiguousLength().size() + BrokenHead().size() + BrokenChunks().size(), 80u);
}

// The second request of a body's bytes belongs to the body.
TEST(Framing, ARequestInsideABodyIsBody) {
  TestServer server;
  RawClient client(server.port());
  client.Send(Post("/a", kHidden));
  EXPECT_EQ(client.Read().body, "/a||" + kHidden);
  client.Send(Chunked("21\r\n" + kHidden.substr(0, 33) + "\r\n0\r\n\r\n"));
  EXPECT_EQ(client.Read().body, "/||" + kHidden.substr(0, 33));
  EXPECT_EQ(server.handler.hidden, 0);
}

TEST(Framing, WhatIsWellFormedIsUnderstood) {
  const std::vector<std::pair<std::string, std::string>> rows = {
      {Get("/a?b=c"), "/a|b=c|"},
      {Get("/a?b?c"), "/a|b?c|"},
      {Get("/a", "X:   padded  \r\n"), "/a||"},
      {Get("/a", "X:\r\n"), "/a||"},
      {Get("/a", "X: \xC3\xA9\tb\r\n"), "/a||"},
      {"\r\n" + Get("/after-empty-line"), "/after-empty-line||"},
      {"GET http://h/abs?q HTTP/1.1\r\nHost: h\r\n\r\n", "/abs|q|"},
      {"GET HTTP://H:80?q HTTP/1.1\r\nHost: h:80\r\n\r\n", "/|q|"},
      {"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", "*||"},
      {"GET /empty-host HTTP/1.1\r\nHost:\r\n\r\n", "/empty-host||"},
      {Post("/", ""), "/||"},
      {Post("/", "body"), "/||body"},
      {PostHead("Content-Length:\t4 \r\n") + "body", "/||body"},
      {PostHead("Content-Length: 0004\r\n") + "body", "/||body"},
      {Chunked("0\r\n\r\n"), "/||"},
      {Chunked("4\r\nbody\r\n0\r\n\r\n"), "/||body"},
      {Chunked("0004\r\nbody\r\n000\r\n\r\n"), "/||body"},
      {Chunked("A;name=value;n2=\"q;\\\"uoted\"\r\n0123456789\r\n0;x\r\n\r\n"), "/||0123456789"},
      {Chunked("1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\nTrailer: x\r\nOther: y\r\n\r\n"), "/||abc"},
      {PostHead("transfer-encoding:  Chunked \r\n") + "1\r\nz\r\n0\r\n\r\n", "/||z"},
  };
  for (const bool in_pieces : {false, true}) {
    TestServer server;
    RawClient client(server.port());  // one connection: each ends where the next begins
    for (const auto& [bytes, answer] : rows) {
      SCOPED_TRACE(bytes);
      for (std::size_t i = 0; i < bytes.size(); i += in_pieces ? 5 : bytes.size()) {
        client.Send(bytes.substr(i, in_pieces ? 5 : bytes.size()));
        if (in_pieces) std::this_thread::sleep_for(std::chrono::microseconds(50));
      }
      EXPECT_EQ(client.Read().body, answer);
    }
  }
}

TEST(Framing, HandlersSeeHeadersAsSentAndFindThemInAnyCase) {
  TestServer server;
  server.handler.handle = [](const Request& request, Responder responder) {
    responder.Send(Response::Text(
        200, std::string(request.headers[1].first) + "=" + std::string(request.header("x-one")) +
                 " " + std::to_string(request.headers.size()) + " " + std::string(request.peer) +
                 (request.peer_is_loopback ? " loopback" : "") +
                 (request.has_header("ABSENT") ? " ?" : "") + " " +
                 std::string(request.method_text)));
  };
  RawClient client(server.port());
  client.Send("PURGE / HTTP/1.1\r\nHost: h\r\nX-One:  1 \r\nx-one: 2\r\n\r\n");
  EXPECT_EQ(client.Read().body, "X-One=1 3 127.0.0.1 loopback PURGE");
}

TEST(Framing, OlderClientsAreServedAndClosed) {
  TestServer server;
  RawClient client(server.port());
  client.Send("GET /old HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  const auto response = client.Read();
  EXPECT_EQ(response.body, "/old||");
  EXPECT_EQ(response.Header("Connection"), "close");
  client.ShutdownWrite();
  EXPECT_TRUE(client.Closed());
}

}  // namespace
}  // namespace tributary::http
