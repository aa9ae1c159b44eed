// The client against peers that behave badly (RELIABILITY.md C2, C3, C6, E2, E3).
#include "http/client_kit_test.h"

#include "support/durations.h"

namespace tributary::http {
namespace {

using test::ClientTest;
using test::Peer;
using test::TestServer;

TEST_F(ClientTest, SendsWhatItIsToldAndNothingElse) {
  std::string seen;
  Peer peer([&](int fd) {
    seen = Peer::ReadHead(fd);
    Peer::Write(fd, "HTTP/1.1 204 No Content\r\nX-Answer:  yes \r\n\r\n");
  });
  const auto response = Ask({.method = "PUT",
                             .url = peer.url("/hook?a=b"),
                             .headers = {{"Content-Type", "application/json"},
                                         {"X-Empty", ""},
                                         {"Content-Length", "9"},
                                         {"Transfer-Encoding", "chunked"}},
                             .body = std::make_shared<std::string>("{}")});
  EXPECT_EQ(response.failure, Failure::kNone);
  EXPECT_EQ(response.status, 204);
  ASSERT_EQ(response.headers.size(), 1u);
  EXPECT_EQ(response.headers[0], Header("X-Answer", "yes"));
  EXPECT_GT(response.duration_ns, 0);
  EXPECT_EQ(seen, "PUT /hook?a=b HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(peer.port()) +
                      "\r\nUser-Agent: Tributary\r\nAccept: */*\r\n"
                      "Content-Type: application/json\r\nX-Empty:\r\nContent-Length: 2\r\n\r\n");
}

TEST_F(ClientTest, MethodsDoNotLeakFromOneRequestIntoTheNext) {
  TestServer server;
  server.handler.body_bytes_max = 1 << 20;
  server.handler.handle = [](const Request& request, Responder responder) {
    responder.Send(Response::Text(200, std::string(request.method_text) + " " +
                                           std::string(request.body) + " " +
                                           std::string(request.header("Content-Type"))));
  };
  const std::string url = "http://127.0.0.1:" + std::to_string(server.port()) + "/";
  const auto body = std::make_shared<std::string>("b");
  const std::pair<ClientRequest, std::string> rows[] = {
      {{.method = "GET", .url = url}, "GET  "},
      {{.method = "POST", .url = url, .body = body}, "POST b "},
      {{.method = "HEAD", .url = url}, ""},
      {{.method = "DELETE", .url = url}, "DELETE  "},
      {{.method = "GET", .url = url, .body = body}, "GET b "},
      {{.method = "PATCH", .url = url, .headers = {{"content-type", "x/y"}}, .body = body},
       "PATCH b x/y"},
      {{.method = "GET", .url = url}, "GET  "},
      {{.method = "POST", .url = url}, "POST  "},
  };
  for (int round = 0; round < 2; ++round) {
    for (const auto& [request, answer] : rows) {
      const auto response = Ask(request);
      EXPECT_EQ(response.status, 200) << response.error;
      EXPECT_EQ(response.body, answer);
    }
  }
  EXPECT_EQ(server.connections(), 1u);  // kept alive throughout
}

TEST_F(ClientTest, ManyAtOnceShareABoundedNumberOfConnections) {
  TestServer server;
  const std::string url = "http://127.0.0.1:" + std::to_string(server.port()) + "/";
  std::vector<std::future<ClientResponse>> all;
  for (int i = 0; i < 1000; ++i) {
    all.push_back(Start({.url = url, .body = std::make_shared<std::string>(std::to_string(i))}));
  }
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(all[i].get().body, "/||" + std::to_string(i));
  EXPECT_LE(server.connections(), 64u);
  EXPECT_EQ(thread.Call([&] { return client->in_flight(); }), 0u);
}

TEST_F(ClientTest, ACancelledRequestCallsNobodyAndItsIdIsDead) {
  Peer peer([](int fd) { Peer::WaitForEnd(fd); });
  auto future = Start({.url = peer.url()});
  const Client::Id first = last_id;
  thread.Call([&] { client->Cancel(first); });
  EXPECT_EQ(future.wait_for(std::chrono::seconds(0)), std::future_status::ready);  // broken
  EXPECT_THROW(future.get(), std::future_error);
  TestServer server;
  auto second =
      Start({.method = "GET", .url = "http://127.0.0.1:" + std::to_string(server.port()) + "/x"});
  thread.Call([&] { client->Cancel(first); });  // the handle has been taken by another
  EXPECT_EQ(second.get().body, "/x||");
}

TEST_F(ClientTest, CallbacksMaySendAgain) {
  TestServer server;
  const std::string url = "http://127.0.0.1:" + std::to_string(server.port()) + "/";
  std::promise<void> finished;
  int left = 500;
  std::function<void(ClientResponse)> again = [&](ClientResponse response) {
    EXPECT_EQ(response.status, 200);
    if (--left == 0) return finished.set_value();
    client->Send({.url = url}, again);
  };
  thread.Call([&] { client->Send({.url = url}, again); });
  finished.get_future().get();
}

// ---- Peers that behave badly --------------------------------------------------------------------

void ExpectTimeout(const ClientResponse& response, MonoNanos timeout_ns) {
  EXPECT_EQ(response.failure, Failure::kTimeout) << response.error;
  EXPECT_EQ(response.status, 0);
  EXPECT_GE(response.duration_ns, timeout_ns * 9 / 10);
  EXPECT_LE(response.duration_ns, timeout_ns * 13 / 10);
}

TEST_F(ClientTest, AHangEndsAtTheDeadline) {
  Peer peer([](int fd) { Peer::WaitForEnd(fd); });
  ExpectTimeout(Post(peer.url(), "x", 300 * kMs), 300 * kMs);
}

TEST_F(ClientTest, APeerThatNeverAcceptsEndsAtTheDeadline) {
  Peer peer(nullptr, 0);
  test::RawClient fillers[4];  // the queue of a socket that nobody serves
  for (test::RawClient& filler : fillers) filler.StartConnect(peer.port());
  usleep(20'000);
  ExpectTimeout(Post(peer.url(), "x", 300 * kMs), 300 * kMs);
}

TEST_F(ClientTest, ADripEndsAtTheDeadline) {
  Peer peer([](int fd) {
    Peer::ReadHead(fd);
    Peer::Write(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
    while (Peer::Write(fd, "x")) usleep(10'000);
  });
  ExpectTimeout(Post(peer.url(), "x", 300 * kMs), 300 * kMs);
}

TEST_F(ClientTest, ADrippingHeadEndsAtTheDeadline) {
  Peer peer([](int fd) {
    Peer::ReadHead(fd);
    Peer::Write(fd, "HTTP/1.1 200 OK\r\n");
    while (Peer::Write(fd, "X: y\r\n")) usleep(10'000);
  });
  ExpectTimeout(Post(peer.url(), "x", 300 * kMs), 300 * kMs);
}

TEST_F(ClientTest, RequestsThatWaitForAConnectionEndAtTheirDeadlineToo) {
  Peer peer([](int fd) { Peer::WaitForEnd(fd); });
  std::vector<std::future<ClientResponse>> all;
  for (int i = 0; i < 100; ++i) all.push_back(Start({.url = peer.url(), .timeout_ns = 1000 * kMs}));
  for (auto& one : all) ExpectTimeout(one.get(), 1000 * kMs);
  EXPECT_LE(peer.accepted, 64 * 2);
}

TEST_F(ClientTest, AFloodIsReadToItsLimitAndCounts) {
  std::atomic<std::size_t> sent = 0;
  Peer peer([&](int fd) {
    Peer::ReadHead(fd);
    Peer::Write(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n");
    const std::string piece(64 * 1024, 'x');
    while (sent < (1u << 30) && Peer::Write(fd, piece)) sent += piece.size();
  });
  const auto response = Post(peer.url());
  EXPECT_EQ(response.failure, Failure::kNone);
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body.size(), 64u * 1024);
  usleep(50'000);
  EXPECT_LT(sent, 64u << 20);  // what fits into the sockets, no more
}

TEST_F(ClientTest, AnAnswerOfExactlyTheLimitIsWhole) {
  std::size_t size = 0;
  Peer peer([&](int fd) {
    while (!Peer::ReadHead(fd).empty()) {
      Peer::Write(fd, "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n" +
                          std::string(size, 'x'));
    }
  });
  for (const std::size_t n : {999u, 1000u, 1001u, 0u}) {
    size = n;
    const auto response = Ask({.method = "GET", .url = peer.url(), .response_bytes_max = 1000});
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body.size(), std::min<std::size_t>(n, 1000));
  }
}

TEST_F(ClientTest, HeadersAreKeptToAHundredAndAnEndlessHeadIsCut) {
  int count = 0;
  Peer peer([&](int fd) {
    while (!Peer::ReadHead(fd).empty()) {
      std::string head = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n";
      for (int i = 0; i < count; ++i) head += "X-Header: " + std::to_string(i) + "\r\n";
      Peer::Write(fd, head + "\r\n");
    }
  });
  count = 500;
  auto response = Post(peer.url());
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.headers.size(), 100u);
  count = 10'000;
  response = Post(peer.url());
  EXPECT_EQ(response.failure, Failure::kReset);
  EXPECT_EQ(response.error, "the answer's head has no end");
}

TEST_F(ClientTest, HeaderBytesAreBounded) {
  Peer peer([](int fd) {
    Peer::ReadHead(fd);
    std::string head = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n";
    for (int i = 0; i < 50; ++i) head += "X: " + std::string(1000, 'y') + "\r\n";
    Peer::Write(fd, head + "\r\n");
  });
  const auto response = Post(peer.url());
  EXPECT_EQ(response.status, 200);
  EXPECT_LE(response.headers.size(), 17u);
}

TEST_F(ClientTest, AnEndlessRowOfInterimAnswersIsCut) {
  Peer peer([](int fd) {
    Peer::ReadHead(fd);
    while (Peer::Write(fd, "HTTP/1.1 100 Continue\r\n\r\n")) {
    }
  });
  const auto response = Post(peer.url());
  EXPECT_EQ(response.failure, Failure::kReset) << response.error;
}

TEST_F(ClientTest, BrokenPeersAreReset) {
  const std::pair<const char*, Peer::Script> scripts[] = {
      {"closes at once", [](int) {}},
      {"closes after the request", [](int fd) { Peer::ReadHead(fd); }},
      {"resets",
       [](int fd) {
         const linger hard{.l_onoff = 1, .l_linger = 0};
         ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
       }},
      {"cuts its head",
       [](int fd) {
         Peer::ReadHead(fd);
         Peer::Write(fd, "HTTP/1.1 200 OK\r\nContent-Le");
       }},
      {"cuts its body",
       [](int fd) {
         Peer::ReadHead(fd);
         Peer::Write(fd, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
       }},
      {"cuts its chunks",
       [](int fd) {
         Peer::ReadHead(fd);
         Peer::Write(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab");
       }},
      {"speaks something else",
       [](int fd) {
         Peer::ReadHead(fd);
         Peer::Write(fd, "SSH-2.0-OpenSSH_9.2\r\n");
       }},
  };
  for (const auto& [name, script] : scripts) {
    Peer peer(script);
    const auto response = Post(peer.url());
    EXPECT_EQ(response.failure, Failure::kReset) << name << ": " << response.error;
    EXPECT_EQ(response.status, 0) << name;
  }
}

TEST_F(ClientTest, NobodyListeningIsRefused) {
  std::uint16_t port = 0;
  {
    Peer peer(nullptr);
    port = peer.port();
  }
  const auto response = Post("http://127.0.0.1:" + std::to_string(port) + "/");
  EXPECT_EQ(response.failure, Failure::kRefused) << response.error;
  EXPECT_EQ(FailureName(response.failure), "EREFUSED");
}

TEST_F(ClientTest, RedirectsAreNotFollowed) {
  Peer target([](int) {});
  for (const int status : {301, 302, 303, 307, 308}) {
    for (const std::string& location : {target.url(), std::string("http://user:pw@127.0.0.1/"),
                                        std::string("file:///etc/passwd"), std::string("/")}) {
      Peer peer([&](int fd) {
        Peer::ReadHead(fd);
        Peer::Write(fd, "HTTP/1.1 " + std::to_string(status) + " Moved\r\nLocation: " + location +
                            "\r\nContent-Length: 0\r\n\r\n");
      });
      const auto response = Post(peer.url());
      EXPECT_EQ(response.status, status);
      EXPECT_EQ(response.headers.at(0).second, location);
      EXPECT_EQ(peer.accepted, 1);
    }
  }
  EXPECT_EQ(target.accepted, 0);
}

TEST_F(ClientTest, AConnectionThatDiedWhileIdleIsReplaced) {
  std::atomic<int> served = 0;
  Peer peer([&](int fd) {
    Peer::ReadHead(fd);
    ++served;
    Peer::Write(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  });  // and closes, although it did not say so
  for (int i = 0; i < 20; ++i) {
    const auto response = Ask({.method = "GET", .url = peer.url()});
    EXPECT_EQ(response.status, 200) << response.error;
    usleep(i % 2 * 2000);
  }
  EXPECT_EQ(served, 20);
}

TEST_F(ClientTest, ControlCharactersInHeadersAreNotSent) {
  Peer peer([](int fd) { Peer::WaitForEnd(fd); });
  EXPECT_EQ(Ask({.url = peer.url(), .headers = {{"X", "a\r\nY: b"}}}).failure, Failure::kOther);
  EXPECT_EQ(Ask({.url = peer.url(), .headers = {{"X\n", "a"}}}).failure, Failure::kOther);
  EXPECT_EQ(Ask({.method = "GET /x HTTP/1.1\r\nX: y", .url = peer.url()}).failure, Failure::kOther);
  EXPECT_EQ(peer.accepted, 0);
}

TEST_F(ClientTest, ProxiesOfTheEnvironmentAreIgnored) {
  Peer proxy([](int) {});
  ::setenv("http_proxy", proxy.url().c_str(), 1);
  ::setenv("ALL_PROXY", proxy.url().c_str(), 1);
  TestServer server;
  EXPECT_EQ(Post("http://127.0.0.1:" + std::to_string(server.port()) + "/").status, 200);
  ::unsetenv("http_proxy");
  ::unsetenv("ALL_PROXY");
  EXPECT_EQ(proxy.accepted, 0);
}

TEST_F(ClientTest, DestroyingTheClientWithRequestsInFlightIsQuiet) {
  Peer peer([](int fd) { Peer::WaitForEnd(fd); });
  std::vector<std::future<ClientResponse>> all;
  for (int i = 0; i < 10; ++i) all.push_back(Start({.url = peer.url()}));
  const auto looked_up = Start({.url = "http://no-such-name.invalid/"});
  usleep(20'000);
  thread.Call([&] { client.reset(); });
  for (auto& one : all) EXPECT_THROW(one.get(), std::future_error);
}

// ---- Names --------------------------------------------------------------------------------------

TEST_F(ClientTest, LookUpsDoNotStopTheLoopAndAreNotRepeatedAtOnce) {
  std::vector<std::future<ClientResponse>> all;
  for (int i = 0; i < 4; ++i) {
    all.push_back(Start({.url = "http://no-such-name-" + std::to_string(i) + ".invalid/",
                         .timeout_ns = 20 * kNanosPerSecond}));
  }
  const auto before = std::chrono::steady_clock::now();
  for (int i = 0; i < 50; ++i) thread.Call([] {});
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::milliseconds(200));
  for (auto& one : all) {
    const auto response = one.get();
    // Where nothing answers name look-ups at all, the deadline ends them.
    EXPECT_TRUE(response.failure == Failure::kNotFound || response.failure == Failure::kTimeout)
        << response.error;
    if (response.failure != Failure::kNotFound) GTEST_SKIP() << "no name service here";
  }
  const auto again = Ask({.url = "http://no-such-name-0.invalid/"});
  EXPECT_EQ(again.failure, Failure::kNotFound);
  EXPECT_LT(again.duration_ns, 50 * kMs);  // remembered
}

// ---- The guard ----------------------------------------------------------------------------------

struct GuardedClientTest : ClientTest {
  GuardedClientTest() : ClientTest({}) {}
};

// `localhost.localdomain` and a name of the hosts file stand for a name that was rebound: the URL
// says nothing, the address says it all.
TEST_F(GuardedClientTest, BlockedAddressesAreNeverConnectedTo) {
  Peer open([](int) {});
  const std::string port = ":" + std::to_string(open.port());
  const std::vector<std::string> hosts = {"127.0.0.1",   "127.1", "2130706433",
                                          "0x7f000001",  "0",     "localhost",
                                          "a.localhost", "[::1]", "[::ffff:127.0.0.1]"};
  for (const std::string& host : hosts) {
    const auto response = Post("http://" + host + port + "/");
    EXPECT_EQ(response.failure, Failure::kBlocked) << host << response.error;
    EXPECT_EQ(FailureName(response.failure), "blocked_address");
  }
  EXPECT_EQ(open.accepted, 0);
}

TEST_F(GuardedClientTest, ANameThatResolvesInsideIsBlockedWhenConnecting) {
  char name[256] = {};
  ASSERT_EQ(::gethostname(name, sizeof name - 1), 0);
  const std::string host(name);
  Peer open([](int) {});
  const auto response = Post("http://" + host + ":" + std::to_string(open.port()) + "/");
  if (response.failure == Failure::kNotFound) GTEST_SKIP() << host << " does not resolve here";
  if (response.failure == Failure::kInvalidUrl) GTEST_SKIP() << host << " is no name for a URL";
  EXPECT_EQ(response.failure, Failure::kBlocked) << response.error;
  EXPECT_EQ(open.accepted, 0);
}

TEST_F(GuardedClientTest, TheTextDoesNotTellWhetherThePortIsOpen) {
  Peer open([](int) {});
  std::uint16_t closed_port = 0;
  {
    Peer closed(nullptr);
    closed_port = closed.port();
  }
  const auto a = Post("http://127.0.0.1:" + std::to_string(open.port()) + "/");
  const auto b = Post("http://127.0.0.1:" + std::to_string(closed_port) + "/");
  EXPECT_EQ(a.error, b.error);
  EXPECT_EQ(a.failure, b.failure);
}

TEST_F(GuardedClientTest, UrlsThatCannotBeUsedAreSaidToBe) {
  EXPECT_EQ(Post("ftp://example.com/").failure, Failure::kInvalidUrl);
  EXPECT_EQ(Post("http://user:secret@example.com/").failure, Failure::kInvalidUrl);
  EXPECT_EQ(Post("").failure, Failure::kInvalidUrl);
}

struct LocalhostClientTest : ClientTest {
  LocalhostClientTest() : ClientTest({"127.0.0.1/32"}) {}
};

TEST_F(LocalhostClientTest, OneLineOfAllowanceOpensTheNewcomersWebhook) {
  TestServer server;
  const auto response = Post("http://localhost:" + std::to_string(server.port()) + "/x", "b");
  EXPECT_EQ(response.status, 200) << response.error;
  EXPECT_EQ(response.body, "/x||b");
}

}  // namespace
}  // namespace tributary::http
