// Keep-alive, pipelining, HEAD, 100-continue, streams, drain, running out of descriptors.
#include <sys/resource.h>

#include "http/http_kit_test.h"

namespace tributary::http {
namespace {

using test::Get;
using test::Post;
using test::RawClient;
using test::TestServer;

constexpr std::string_view kCanned =
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n"
    "{\"success\":true}";

TEST(Server, AHundredPipelinedRequestsAreAnsweredInOrder) {
  TestServer server;
  RawClient client(server.port());
  std::string all;
  for (int i = 0; i < 100; ++i) all += Post("/" + std::to_string(i), std::string(i * 9, 'b'));
  client.Send(all);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(client.Read().body, "/" + std::to_string(i) + "||" + std::string(i * 9, 'b'));
  }
}

TEST(Server, DelayedAnswersKeepTheOrderToo) {
  TestServer server;
  int n = 0;
  server.handler.handle = [&](const Request& request, Responder responder) {
    Response response = Response::Text(200, std::string(request.path));
    switch (n++ % 3) {
      case 0:
        return responder.Send(std::move(response));
      case 1:
        return server.thread.loop.Post(
            [r = std::move(responder), a = std::move(response)]() mutable {
              r.Send(std::move(a));
            });
      default:
        server.thread.loop.At(server.thread.loop.Now() + kNanosPerMilli,
                              [r = std::move(responder), a = std::move(response)]() mutable {
                                r.Send(std::move(a));
                              });
    }
  };
  RawClient client(server.port());
  std::string all;
  for (int i = 0; i < 100; ++i) all += Get("/" + std::to_string(i));
  client.Send(all);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(client.Read().body, "/" + std::to_string(i));
}

TEST(Server, CannedAnswersOfPipelinedRequestsLeaveInOneWrite) {
  TestServer server;
  server.handler.handle = [](const Request&, Responder responder) { responder.SendRaw(kCanned); };
  RawClient client(server.port());
  std::string all;
  for (int i = 0; i < 50; ++i) all += Get("/");
  client.Send(all);
  ASSERT_TRUE(client.Fill());
  EXPECT_EQ(client.buffer().size(), 50 * kCanned.size());
}

TEST(Server, TheViewsOfARequestOutliveItsHandlerUntilTheAnswer) {
  TestServer server;
  server.handler.handle = [&](const Request& request, Responder responder) {
    server.thread.loop.At(
        server.thread.loop.Now() + 20 * kNanosPerMilli,
        [&request, r = std::move(responder)]() mutable {
          r.Send(Response::Text(200, std::string(request.path) + std::string(request.body)));
        });
  };
  RawClient client(server.port());
  client.Send(Post("/one", "first") + Post("/two", "second"));
  usleep(10'000);
  client.Send(std::string(3000, '\r'));  // arrives while the first is being handled
  EXPECT_EQ(client.Read().body, "/onefirst");
  EXPECT_EQ(client.Read().body, "/twosecond");
}

TEST(Server, BodiesLargerThanTheFirstBufferArriveWhole) {
  TestServer server;
  server.handler.body_bytes_max = 4 << 20;
  RawClient client(server.port());
  for (const std::size_t size : {16'000, 16'384, 131'072, 131'073, 2'000'000}) {
    SCOPED_TRACE(size);
    std::string body(size, 'b');
    for (std::size_t i = 0; i < size; i += 997) body[i] = static_cast<char>('a' + i % 26);
    client.Send(Get("/before") + Post("/", body) + Get("/after"));
    EXPECT_EQ(client.Read().body, "/before||");
    EXPECT_EQ(client.Read().body, "/||" + body);
    EXPECT_EQ(client.Read().body, "/after||");
  }
}

TEST(Server, HeadTellsTheLengthAndLeavesTheBodyOut) {
  TestServer server;
  RawClient client(server.port());
  client.Send("HEAD /x HTTP/1.1\r\nHost: h\r\n\r\n" + Get("/y"));
  const auto head = client.Read(true);
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.Header("Content-Length"), "4");
  EXPECT_EQ(client.Read().body, "/y||");
  server.handler.handle = [](const Request&, Responder responder) { responder.SendRaw(kCanned); };
  client.Send("HEAD /x HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(client.Read(true).Header("Content-Length"), "16");
  EXPECT_TRUE(client.buffer().empty());
}

TEST(Server, ExpectContinueIsToldToGoOnAndOnlyIfTheBodyIsWelcome) {
  TestServer server;
  RawClient client(server.port());
  client.Send("POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\nContent-Length: 4\r\n\r\n");
  EXPECT_EQ(client.Read().status, 100);
  client.Send("body");
  EXPECT_EQ(client.Read().body, "/||body");
  // The body came along: nothing to wait for.
  client.Send(Post("/", "body", "Expect: 100-continue\r\n"));
  EXPECT_EQ(client.Read().status, 200);
  client.Send("POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 9999\r\n\r\n");
  EXPECT_EQ(client.Read().status, 413);
  RawClient other(server.port());
  other.Send("POST / HTTP/1.1\r\nHost: h\r\nExpect: tea\r\nContent-Length: 4\r\n\r\n");
  EXPECT_EQ(other.Read().status, 417);
}

TEST(Server, ConnectionCloseIsObeyedAndNothingAfterItIsExecuted) {
  TestServer server;
  RawClient client(server.port());
  client.Send(Get("/last", "Connection: close\r\n") + Get("/hidden"));
  const auto response = client.Read();
  EXPECT_EQ(response.body, "/last||");
  EXPECT_EQ(response.Header("Connection"), "close");
  client.ShutdownWrite();
  EXPECT_TRUE(client.Closed());
  EXPECT_EQ(server.handler.hidden, 0);
}

TEST(Server, CannedAnswersSayCloseWhenTheConnectionEnds) {
  TestServer server;
  server.handler.handle = [](const Request&, Responder responder) { responder.SendRaw(kCanned); };
  RawClient client(server.port());
  client.Send(Get("/", "Connection: close\r\n"));
  const auto response = client.Read();
  EXPECT_EQ(response.Header("Connection"), "close");
  EXPECT_EQ(response.body, "{\"success\":true}");
}

TEST(Server, AHalfClosedClientStillGetsItsAnswers) {
  TestServer server;
  RawClient client(server.port());
  client.Send(Get("/a") + Get("/b"));
  client.ShutdownWrite();
  EXPECT_EQ(client.Read().body, "/a||");
  EXPECT_EQ(client.Read().body, "/b||");
  EXPECT_TRUE(client.Closed());
}

TEST(Server, AResponderThatIsDroppedAnswers500) {
  TestServer server;
  server.handler.handle = [](const Request&, Responder) {};
  RawClient client(server.port());
  client.Send(Get("/a"));
  const auto response = client.Read();
  EXPECT_EQ(response.status, 500);
  EXPECT_NE(response.body.find("\"code\":\"internal\""), std::string::npos);
}

TEST(Server, AResponderMayOutliveItsConnectionAndItsServer) {
  std::optional<Responder> kept;
  test::LoopThread thread;
  test::ScriptedHandler handler;
  handler.handle = [&](const Request&, Responder responder) { kept.emplace(std::move(responder)); };
  auto server = thread.Call(
      [&] { return Listen(thread.loop, "127.0.0.1", 0, PortUse::kAlone, {}, handler).value(); });
  RawClient client(server->port());
  client.Send(Get("/a"));
  for (int i = 0; i < 200 && handler.handled == 0; ++i) usleep(1000);
  thread.Call([&] { server.reset(); });
  EXPECT_TRUE(client.Closed());
  thread.Call([&] {
    kept->Send(Response::Text(200, "too late"));
    kept.reset();
  });
}

TEST(Server, HeaderValuesCannotEndTheHeader) {
  TestServer server;
  server.handler.handle = [](const Request&, Responder responder) {
    Response response = Response::Text(200, "");
    response.headers.emplace_back("X", "a\r\nSet-Cookie: b");
    responder.Send(std::move(response));
  };
  RawClient client(server.port());
  client.Send(Get("/"));
  EXPECT_EQ(client.Read().Header("X"), "a  Set-Cookie: b");
}

TEST(Server, ChurnLeavesNothingBehind) {
  TestServer server;
  for (int i = 0; i < 2000; ++i) {
    RawClient client(server.port());
    switch (i % 4) {
      case 0:
        client.Send("GET / HT");
        break;
      case 1:
        client.Send(Get("/"));
        client.Reset();
        break;
      case 2:
        client.Send(Get("/"));
        EXPECT_EQ(client.Read().status, 200);
        break;
      default:
        client.ShutdownWrite();
    }
  }
  // Some may still wait to be accepted: none must be left for a while.
  int calm = 0;
  for (int i = 0; i < 500 && calm < 10; ++i, usleep(2000)) {
    calm = server.connections() == 0 ? calm + 1 : 0;
  }
  EXPECT_EQ(calm, 10);
}

// ---- Streams ------------------------------------------------------------------------------------

struct StreamingServer : TestServer {
  explicit StreamingServer(const ServerLimits& limits = {}) : TestServer(limits) {
    handler.handle = [this](const Request& request, Responder responder) {
      if (request.path != "/tail") return responder.Send(Response::Text(200, "plain"));
      stream = responder.StartStream(
          {.status = 200, .headers = {{"Content-Type", "text/event-stream"}}});
      started = true;
    };
  }
  ~StreamingServer() {
    thread.Call([&] { stream.reset(); });
  }
  void WaitForStart() {
    for (int i = 0; i < 1000 && !started; ++i) usleep(1000);
  }
  bool Write(std::string_view text) {
    return thread.Call([&] { return stream->WriteStream(text); });
  }
  std::shared_ptr<Responder::Target> stream;
  std::atomic<bool> started = false;
};

TEST(ServerStream, PiecesArriveAsTheyAreWrittenAndTheConnectionGoesOn) {
  StreamingServer server;
  RawClient client(server.port());
  client.Send(Get("/tail") + Get("/next"));
  server.WaitForStart();
  const auto head = client.Read();
  EXPECT_EQ(head.Header("Transfer-Encoding"), "chunked");
  EXPECT_TRUE(server.Write("data: 1\n\n"));
  EXPECT_TRUE(server.Write(""));  // is not the end
  EXPECT_TRUE(server.Write("data: 2\n\n"));
  const std::string pieces = "9\r\ndata: 1\n\n\r\n9\r\ndata: 2\n\n\r\n";
  while (client.buffer().size() < pieces.size()) ASSERT_TRUE(client.Fill());
  EXPECT_EQ(client.buffer(), pieces);
  client.buffer().clear();
  server.thread.Call([&] { server.stream->EndStream(); });
  EXPECT_FALSE(server.Write("late"));
  while (client.buffer().find("plain") == std::string::npos) ASSERT_TRUE(client.Fill());
  EXPECT_TRUE(client.buffer().starts_with("0\r\n\r\nHTTP/1.1 200"));
}

TEST(ServerStream, ASlowReaderIsRefusedMoreAndCostsNoMoreThanItsBuffer) {
  ServerLimits limits;
  limits.stream_buffer_bytes_max = 64 * 1024;
  StreamingServer server(limits);
  RawClient client(server.port());
  client.Send(Get("/tail"));
  server.WaitForStart();
  const std::string piece(8 * 1024, 'x');
  int taken = 0;
  while (taken < 10'000 && server.Write(piece)) ++taken;
  EXPECT_LT(taken, 10'000);
  EXPECT_FALSE(server.Write(piece));
  while (client.buffer().size() < piece.size() * static_cast<std::size_t>(taken)) {
    ASSERT_TRUE(client.Fill());
  }
  usleep(20'000);
  EXPECT_TRUE(server.Write(piece));  // it has caught up
}

TEST(ServerStream, AReaderThatLeavesIsNoticedWithoutWriting) {
  StreamingServer server;
  RawClient client(server.port());
  client.Send(Get("/tail"));
  server.WaitForStart();
  client.Close();
  for (int i = 0; i < 500 && server.connections() > 0; ++i) usleep(1000);
  EXPECT_TRUE(server.thread.Call([&] { return server.stream->gone(); }));
  EXPECT_FALSE(server.Write("x"));
}

TEST(ServerStream, APieceLargerThanTheBufferIsTakenOnceNothingWaits) {
  ServerLimits limits;
  limits.stream_buffer_bytes_max = 1024;
  StreamingServer server(limits);
  RawClient client(server.port());
  client.Send(Get("/tail"));
  server.WaitForStart();
  client.Read();
  const std::string piece(8 * 1024 * 1024, 'x');
  EXPECT_TRUE(server.Write(piece));
  EXPECT_FALSE(server.Write("y"));  // the socket cannot have taken all of it
  while (client.buffer().size() < piece.size()) ASSERT_TRUE(client.Fill());
  while (!server.Write("y")) usleep(1000);
}

TEST(ServerStream, TheWatcherHearsOfRoomAndOfTheEnd) {
  ServerLimits limits;
  limits.stream_buffer_bytes_max = 64 * 1024;
  StreamingServer server(limits);
  RawClient client(server.port());
  client.Send(Get("/tail"));
  server.WaitForStart();
  std::atomic<int> told = 0;
  server.thread.Call([&] { server.stream->Watch([&] { ++told; }); });
  EXPECT_TRUE(server.Write("all of this leaves at once"));
  EXPECT_EQ(told, 0);  // nothing was refused
  const std::string piece(8 * 1024, 'x');
  while (server.Write(piece)) {
  }
  EXPECT_EQ(told, 0);
  while (told == 0) ASSERT_TRUE(client.Fill());
  EXPECT_TRUE(server.Write(piece));
  client.Close();
  for (int i = 0; i < 1000 && told < 2; ++i) usleep(1000);
  EXPECT_EQ(told, 2);
  EXPECT_TRUE(server.thread.Call([&] { return server.stream->gone(); }));
}

TEST(ServerStream, AReaderThatTakesNothingIsCutOff) {
  ServerLimits limits;
  limits.stream_buffer_bytes_max = 64 * 1024;
  limits.write_deadline_ns = 50 * kNanosPerMilli;
  StreamingServer server(limits);
  RawClient client(server.port());
  client.Send(Get("/tail"));
  server.WaitForStart();
  const std::string piece(8 * 1024, 'x');
  while (server.Write(piece)) {
  }
  for (int i = 0; i < 1000 && server.connections() > 0; ++i) usleep(1000);
  EXPECT_EQ(server.connections(), 0u);
}

TEST(ServerStream, HeadGetsNoStreamAndOlderClientsGetItUnframed) {
  StreamingServer server;
  RawClient head(server.port());
  head.Send("HEAD /tail HTTP/1.1\r\nHost: h\r\n\r\n" + Get("/next"));
  EXPECT_EQ(head.Read(true).status, 200);
  EXPECT_EQ(head.Read().body, "plain");
  server.started = false;
  RawClient old(server.port());
  old.Send("GET /tail HTTP/1.0\r\n\r\n");
  server.WaitForStart();
  EXPECT_EQ(old.Read().Header("Transfer-Encoding"), "");
  server.Write("bytes");
  server.thread.Call([&] { server.stream->EndStream(); });
  while (old.Fill()) {
  }
  EXPECT_EQ(old.buffer(), "bytes");
}

// ---- Drain --------------------------------------------------------------------------------------

TEST(ServerDrain, AStreamThatBeginsTooLateEndsAtOnce) {
  StreamingServer server;
  std::optional<Responder> waiting;
  server.thread.Call([&] {
    server.handler.handle = [&](const Request&, Responder responder) {
      waiting.emplace(std::move(responder));
      server.started = true;
    };
  });
  RawClient tail(server.port());
  tail.Send(Get("/tail"));
  server.WaitForStart();
  std::promise<void> drained;
  server.thread.Call([&] { server.server->Drain([&] { drained.set_value(); }); });
  server.thread.Call([&] { server.stream = waiting->StartStream({}); });
  EXPECT_TRUE(server.thread.Call([&] { return server.stream->gone(); }));
  EXPECT_EQ(tail.Read().Header("Connection"), "close");
  while (tail.Fill()) {
  }
  EXPECT_EQ(tail.buffer(), "0\r\n\r\n");
  drained.get_future().get();
}

TEST(ServerDrain, IdleConnectionsEndAndBusyOnesGetTheirAnswer) {
  StreamingServer server;
  std::optional<Responder> waiting;
  const auto plain = server.handler.handle;
  server.thread.Call([&] {
    server.handler.handle = [&](const Request& request, Responder responder) {
      if (request.path == "/slow") {
        waiting.emplace(std::move(responder));
      } else {
        plain(request, std::move(responder));
      }
    };
  });
  RawClient idle(server.port()), busy(server.port()), half(server.port()), tail(server.port());
  idle.Send(Get("/"));
  EXPECT_EQ(idle.Read().status, 200);
  busy.Send(Get("/slow") + Get("/hidden"));
  half.Send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbo");
  tail.Send(Get("/tail"));
  server.WaitForStart();
  tail.Read();
  for (int i = 0; i < 500 && server.handler.handled < 3; ++i) usleep(1000);
  std::promise<void> drained;
  server.thread.Call([&] { server.server->Drain([&] { drained.set_value(); }); });
  EXPECT_TRUE(idle.Closed());
  RawClient late;
  EXPECT_FALSE(late.Connect(server.port()));
  half.Send("dy");
  EXPECT_EQ(half.Read().Header("Connection"), "close");
  while (tail.Fill()) {
  }
  EXPECT_EQ(tail.buffer(), "0\r\n\r\n");
  server.thread.Call([&] { waiting->Send(Response::Text(200, "done")); });
  const auto response = busy.Read();
  EXPECT_EQ(response.body, "done");
  EXPECT_EQ(response.Header("Connection"), "close");
  for (RawClient* client : {&idle, &busy, &half, &tail}) client->Close();
  EXPECT_EQ(drained.get_future().wait_for(std::chrono::seconds(5)), std::future_status::ready);
  EXPECT_EQ(server.handler.hidden, 0);
}

TEST(ServerDrain, WithNobodyThereIsDoneAtOnce) {
  TestServer server;
  std::promise<void> drained;
  server.thread.Call([&] { server.server->Drain([&] { drained.set_value(); }); });
  EXPECT_EQ(drained.get_future().wait_for(std::chrono::seconds(5)), std::future_status::ready);
}

// ---- Descriptors --------------------------------------------------------------------------------

TEST(ServerDescriptors, WhenTheyRunOutWaitingClientsAreToldAndTheRestIsServed) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the undefined-behaviour checks themselves need descriptors (a pipe)";
#endif
  TestServer server;
  RawClient before(server.port());
  before.Send(Get("/"));
  EXPECT_EQ(before.Read().status, 200);
  std::vector<std::unique_ptr<RawClient>> waiting;
  for (int i = 0; i < 8; ++i) waiting.push_back(std::make_unique<RawClient>());
  rlimit old{};
  ::getrlimit(RLIMIT_NOFILE, &old);
  const int next = ::dup(0);  // the lowest free number: from here on there are none
  ::close(next);
  rlimit none = old;
  none.rlim_cur = static_cast<rlim_t>(next);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  for (auto& client : waiting) {
    EXPECT_TRUE(client->Connect(server.port()));
    const auto response = client->Read(false, 3000);
    EXPECT_EQ(response.status, 503);
    EXPECT_EQ(response.Header("Retry-After"), "1");
  }
  before.Send(Get("/still"));
  EXPECT_EQ(before.Read().body, "/still||");
  ::setrlimit(RLIMIT_NOFILE, &old);
  usleep(150'000);  // the back-off
  RawClient after(server.port());
  after.Send(Get("/again"));
  EXPECT_EQ(after.Read().body, "/again||");
}

// ---- Listening ----------------------------------------------------------------------------------

TEST(ServerListen, TellsWhyItCannot) {
  TestServer server;
  const auto listen = [&](const std::string& host, std::uint16_t port,
                          PortUse use = PortUse::kAlone) {
    return server.thread.Call([&] {
      auto other = Listen(server.thread.loop, host, port, use, {}, server.handler);
      return other ? std::string("listens") : other.error().ToString();
    });
  };
  EXPECT_NE(listen("127.0.0.1", server.port()).find("Address already in use"), std::string::npos);
  EXPECT_NE(listen("no.such.host", 0).find("no address to listen on"), std::string::npos);
  EXPECT_EQ(listen("localhost", 0), "listens");
  EXPECT_EQ(listen("127.0.0.1", 0, PortUse::kFirst), "listens");
  EXPECT_EQ(server.server->host(), "127.0.0.1");
}

TEST(ServerListen, LoopsShareAnAddressThatNobodyElseHas) {
  test::LoopThread thread;
  test::ScriptedHandler handler;
  const auto listen = [&](std::uint16_t port, PortUse use) {
    return thread.Call([&] { return Listen(thread.loop, "127.0.0.1", port, use, {}, handler); });
  };
  auto first = listen(0, PortUse::kFirst);
  ASSERT_TRUE(first);
  const std::uint16_t port = (*first)->port();
  auto second = listen(port, PortUse::kJoin);
  EXPECT_TRUE(second) << second.error().ToString();
  // As another process would: it has its own first loop.
  EXPECT_FALSE(listen(port, PortUse::kFirst));
  EXPECT_FALSE(listen(port, PortUse::kAlone));
  thread.Call([&] { first->reset(), second->reset(); });
}

}  // namespace
}  // namespace tributary::http
