// Every limit of ServerLimits at its value and one past it, and the deadlines (RELIABILITY.md B7,
// B8). Deadlines are shortened; nothing here waits for seconds.
#include "http/http_kit_test.h"
#include "support/durations.h"

namespace tributary::http {
namespace {

using test::Get;
using test::Post;
using test::RawClient;
using test::TestServer;

void ExpectRefused(RawClient& client, int status, const std::string& limit) {
  const auto response = client.Read();
  EXPECT_EQ(response.status, status);
  EXPECT_NE(response.body.find("\"success\":false"), std::string::npos) << response.body;
  EXPECT_NE(response.body.find(limit), std::string::npos) << response.body;
  EXPECT_EQ(response.Header("Connection"), "close");
  client.ShutdownWrite();
  EXPECT_TRUE(client.Closed());
}

// A request whose head has exactly this many bytes.
std::string HeadOf(std::size_t bytes) {
  const std::string rest = Get("/", "X: \r\n");
  return Get("/", "X: " + std::string(bytes - rest.size(), 'x') + "\r\n");
}

TEST(ServerLimits, HeadBytes) {
  TestServer server;
  for (const bool in_pieces : {false, true}) {
    RawClient at(server.port());
    const std::string fits = HeadOf(16 * 1024);
    at.Send(fits.substr(0, in_pieces ? 100 : 0));
    at.Send(fits.substr(in_pieces ? 100 : 0));
    EXPECT_EQ(at.Read().status, 200);
    RawClient past(server.port());
    past.Send(HeadOf(16 * 1024 + 1));
    ExpectRefused(past, 431, "16384 bytes");
  }
  RawClient endless(server.port());
  endless.Send("GET / HTTP/1.1\r\nHost: h\r\nX: " + std::string(40'000, 'x'));
  ExpectRefused(endless, 431, "16384 bytes");
}

TEST(ServerLimits, HeaderCount) {
  TestServer server;
  std::string headers;
  for (int i = 0; i < 99; ++i) headers += "X: 1\r\n";  // and Host
  RawClient at(server.port());
  at.Send(Get("/", headers));
  EXPECT_EQ(at.Read().status, 200);
  RawClient past(server.port());
  past.Send(Get("/", headers + "X: 1\r\n"));
  ExpectRefused(past, 431, "100 headers");
}

TEST(ServerLimits, TargetBytes) {
  TestServer server;
  RawClient at(server.port());
  at.Send(Get("/" + std::string(8191, 'x')));
  EXPECT_EQ(at.Read().status, 200);
  RawClient past(server.port());
  past.Send(Get("/" + std::string(8192, 'x')));
  ExpectRefused(past, 414, "8192 bytes");
  RawClient endless(server.port());
  endless.Send("GET /" + std::string(20'000, 'x'));
  ExpectRefused(endless, 414, "8192 bytes");
}

TEST(ServerLimits, BodyBytes) {
  TestServer server;
  server.handler.body_bytes_max = 1000;
  RawClient at(server.port());
  at.Send(Post("/", std::string(1000, 'b')));
  EXPECT_EQ(at.Read().body.size(), 1003u);
  RawClient past(server.port());
  past.Send(Post("/", std::string(1001, 'b')));
  ExpectRefused(past, 413, "1000 bytes");
  EXPECT_EQ(server.handler.handled, 1);
}

// As most clients do: the answer that came meanwhile must not be lost to a reset.
TEST(ServerLimits, WhoSendsAllOfATooLargeBodyFirstCanReadWhy) {
  TestServer server;
  server.handler.body_bytes_max = 1000;
  const std::string request = Post("/", std::string(8 << 20, 'b'));
  for (int i = 0; i < 10; ++i) {
    RawClient past(server.port());
    ASSERT_TRUE(past.Send(request)) << i;
    EXPECT_EQ(past.Read().status, 413) << i;
  }
}

TEST(ServerLimits, BodyBytesOfChunks) {
  TestServer server;
  const std::string head = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string chunk = "1f4\r\n" + std::string(500, 'b') + "\r\n";
  RawClient at(server.port());
  at.Send(head + chunk + chunk + "0\r\n\r\n");
  EXPECT_EQ(at.Read().body.size(), 1003u);
  RawClient past(server.port());
  past.Send(head + chunk + chunk + "1\r\nb\r\n0\r\n\r\n");
  ExpectRefused(past, 413, "1000 bytes");
  RawClient endless(server.port());
  endless.Send(head);
  for (int i = 0; i < 1000 && endless.Send(chunk); ++i) {
  }
  ExpectRefused(endless, 413, "1000 bytes");
}

TEST(ServerLimits, ChunkFramingMayNotOutweighItsBody) {
  TestServer server;
  server.handler.body_bytes_max = 100'000;
  const std::string head = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  std::string tiny;  // one byte per chunk is silly, but honest
  for (int i = 0; i < 20'000; ++i) tiny += "1\r\nb\r\n";
  RawClient honest(server.port());
  honest.Send(head + tiny + "0\r\n\r\n");
  EXPECT_EQ(honest.Read().body.size(), 20'003u);
  RawClient abuser(server.port());
  abuser.Send(head);
  const std::string padded = "1;x=" + std::string(4000, 'y') + "\r\nb\r\n";
  for (int i = 0; i < 20 && abuser.Send(padded); ++i) {
  }
  ExpectRefused(abuser, 431, "chunk extensions");
  RawClient one_line(server.port());
  one_line.Send(head + "1;x=" + std::string(70'000, 'y'));
  ExpectRefused(one_line, 431, "chunk extensions");
}

TEST(ServerLimits, BuffersTogether) {
  ServerLimits limits;
  limits.buffered_bytes_max = 48 * 1024;  // three small buffers
  TestServer server(limits);
  RawClient a(server.port()), b(server.port()), c(server.port());
  for (RawClient* client : {&a, &b, &c}) client->Send("GET / HTTP/1.1\r\n");
  for (int i = 0; i < 100 && server.connections() < 3; ++i) usleep(1000);
  usleep(20'000);
  RawClient d(server.port());
  d.Send(Get("/"));
  const auto refused = d.Read();
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.Header("Retry-After"), "1");
  a.Send("Host: h\r\n\r\n");  // one ends: there is room again
  EXPECT_EQ(a.Read().status, 200);
  RawClient e(server.port());
  e.Send(Get("/"));
  EXPECT_EQ(e.Read().status, 200);
}

TEST(ServerLimits, ConnectionsPastTheLimitWaitForOneToEnd) {
  ServerLimits limits;
  limits.connections_max = 2;
  TestServer server(limits);
  RawClient a(server.port()), b(server.port());
  for (RawClient* client : {&a, &b}) {
    client->Send(Get("/"));
    EXPECT_EQ(client->Read().status, 200);
  }
  RawClient c(server.port());  // the system's queue takes it
  c.Send(Get("/"));
  EXPECT_EQ(c.Read(false, 100).status, 0);
  EXPECT_EQ(server.connections(), 2u);
  a.Close();
  EXPECT_EQ(c.Read().status, 200);
}

TEST(ServerLimits, ReadAheadOfAnUnansweredRequest) {
  ServerLimits limits;
  limits.pipeline_bytes_max = 4096;
  limits.header_deadline_ns = 40 * kMs;  // ticks of 10 ms: waiting requests are looked at
  TestServer server(limits);
  std::vector<Responder> waiting;
  server.handler.handle = [&](const Request&, Responder responder) {
    waiting.push_back(std::move(responder));
  };
  RawClient client(server.port());
  client.Send(Get("/first"));
  std::thread flood([&] { client.Send(std::string(8 << 20, 'x')); });  // blocks: nobody reads it
  usleep(100'000);
  EXPECT_EQ(server.handler.handled, 1);
  EXPECT_EQ(server.thread.Call([&] { return waiting.size(); }), 1u);
  server.thread.Call([&] { waiting.clear(); });
  EXPECT_EQ(client.Read().status, 500);
  client.ShutdownWrite();
  client.Closed();
  flood.join();
}

TEST(ServerDeadlines, ASlowHeadIsAnswered408) {
  ServerLimits limits;
  limits.header_deadline_ns = 60 * kMs;
  TestServer server(limits);
  RawClient client(server.port());
  client.Send("GET / HTTP/1.1\r\n");
  std::jthread drip([&](std::stop_token stop) {
    while (!stop.stop_requested() && client.Send("X: 1\r\n")) usleep(10'000);
  });
  EXPECT_EQ(client.Read(false, 2000).status, 408);
  drip.request_stop();
  EXPECT_EQ(server.handler.handled, 0);
}

TEST(ServerDeadlines, AConnectionThatSaysNothingIsClosedWithoutAWord) {
  ServerLimits limits;
  limits.header_deadline_ns = 60 * kMs;
  TestServer server(limits);
  RawClient client(server.port());
  EXPECT_TRUE(client.Closed(2000));
  EXPECT_TRUE(client.buffer().empty());
}

TEST(ServerDeadlines, AnIdleConnectionIsClosedAfterItsOwnDeadline) {
  ServerLimits limits;
  limits.header_deadline_ns = 40 * kMs;
  limits.idle_deadline_ns = 200 * kMs;
  TestServer server(limits);
  RawClient client(server.port());
  client.Send(Get("/"));
  EXPECT_EQ(client.Read().status, 200);
  usleep(100'000);
  client.Send(Get("/"));  // idling is no crime
  EXPECT_EQ(client.Read().status, 200);
  EXPECT_TRUE(client.Closed(2000));
}

TEST(ServerDeadlines, ASlowBodyIsAnswered408AndASteadyOneIsRead) {
  ServerLimits limits;
  limits.body_window_ns = 60 * kMs;
  limits.body_bytes_per_second_min = 5000;  // 300 bytes per window
  TestServer server(limits);
  const auto send = [&](RawClient& client, std::size_t piece) {
    client.Send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n");
    for (std::size_t sent = 0; sent < 1000; sent += piece) {
      usleep(10'000);
      if (!client.Send(std::string(piece, 'b'))) return;
    }
  };
  RawClient steady(server.port());
  send(steady, 200);
  EXPECT_EQ(steady.Read().status, 200);
  RawClient slow(server.port());
  std::thread drip([&] { send(slow, 5); });
  const auto response = slow.Read(false, 2000);
  EXPECT_EQ(response.status, 408);
  EXPECT_NE(response.body.find("5000 bytes per second"), std::string::npos);
  drip.join();
}

TEST(ServerDeadlines, AReaderThatStopsReadingIsCutOff) {
  ServerLimits limits;
  limits.write_deadline_ns = 80 * kMs;
  TestServer server(limits);
  server.handler.handle = [](const Request&, Responder responder) {
    responder.Send(Response::Text(200, std::string(16 << 20, 'x')));
  };
  RawClient client(server.port());
  client.Send(Get("/"));
  for (int i = 0; i < 200 && server.connections() == 0; ++i) usleep(1000);
  for (int i = 0; i < 200 && server.connections() > 0; ++i) usleep(10'000);
  EXPECT_EQ(server.connections(), 0u);
}

}  // namespace
}  // namespace tributary::http
