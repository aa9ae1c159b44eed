// What every destination type must stand, run for each by its registration alone.
//
// A type is configured from its own options: `url` (where it has one) points at the peer of the
// test, whatever else it requires gets a harmless text. Types without a `url` run the parts that
// are about the door, not about HTTP.
#include <gtest/gtest.h>

#include <ctime>
#include <nlohmann/json.hpp>

#include "base/ascii.h"
#include "deliver/destination.h"
#include "deliver/notice.h"
#include "http/tls_kit_test.h"
#include "support/temp_dir.h"

namespace tributary {
namespace {

using deliver::Outcome;
using deliver::Verdict;
using http::test::Peer;
using nlohmann::json;

constexpr MonoNanos kTimeout = 400 * kNanosPerMilli;
constexpr const char* kEvent =
    R"({"type":"track","event":"Order Completed","messageId":"m1","userId":"u1",)"
    R"("timestamp":"2026-01-01T00:00:00.000Z","properties":{"total":39.950}})";
constexpr const char* kId = "msg_p5jXN8AQM9LWM0D4loKWxJek";
constexpr const char* kMarker = "S3CRETMARKER";

const config::OptionSpec* Option(const std::vector<config::OptionSpec>& specs,
                                 std::string_view name) {
  for (const config::OptionSpec& spec : specs) {
    if (spec.name == name) return &spec;
  }
  return nullptr;
}

bool SpeaksHttp(const deliver::DestinationType& type) {
  return Option(type.specs(), "url") != nullptr;
}

bool IsSecret(const config::OptionSpec& spec) {
  return spec.type == config::OptionType::kSecret || spec.type == config::OptionType::kSecretMap ||
         spec.type == config::OptionType::kSecretList;
}

// Paths of all options that hold secrets, groups inside of groups too.
void FindSecrets(const std::vector<config::OptionSpec>& specs, std::vector<std::string> path,
                 std::vector<std::pair<std::vector<std::string>, config::OptionType>>& found) {
  for (const config::OptionSpec& spec : specs) {
    path.push_back(spec.name);
    if (IsSecret(spec)) found.emplace_back(path, spec.type);
    if (spec.type == config::OptionType::kObject) FindSecrets(spec.children, path, found);
    path.pop_back();
  }
}

struct Contract : ::testing::TestWithParam<std::string> {
  Contract()
      : type(*deliver::FindType(GetParam())),
        guard(http::EgressGuard::Make({.allow = {"127.0.0.1/32", "localhost"}}).value()) {
    ::signal(SIGPIPE, SIG_IGN);
    client = thread.Call([&] {
      return http::MakeCurlClient(thread.loop, guard, {.ca_file = http::test::TestCaFile()});
    });
  }
  ~Contract() override {
    thread.Call([&] {
      destination.reset();
      client.reset();
    });
  }

  json Options(const std::string& url) const {
    json options = json::object();
    for (const config::OptionSpec& spec : type.specs()) {
      if (spec.name == "url") {
        options["url"] = url;
      } else if (spec.required) {
        options[spec.name] = "text";
      }
    }
    return options;
  }
  Result<std::shared_ptr<void>> Read(const json& options) const {
    auto out = type.copy_options(nullptr);
    TRY(config::ReadObject(type.specs(), options, out.get()));
    TRY(type.check(out.get(), {.egress = &guard}));
    return out;
  }
  void Make(const json& options) {
    const auto read = Read(options);
    ASSERT_TRUE(read.has_value()) << read.error().ToString();
    thread.Call([&] {
      destination = type.make(read->get(), {.loop = &thread.loop,
                                            .client = client.get(),
                                            .blocking = &thread.loop,
                                            .fs = &os::PosixFileSystem(),
                                            .clock = &os::SystemClock(),
                                            .name = "contract",
                                            .files_root = dir.path() + "/files",
                                            .user_agent = "Tributary/1",
                                            .instance = "contract-1",
                                            .timeout_ns = kTimeout});
    });
  }
  std::future<Outcome> Start(std::uint32_t attempt = 1) { return StartAs({}, "", attempt); }
  std::future<Outcome> StartAs(log::RecordFields fields, std::string_view replay,
                               std::uint32_t attempt = 1) {
    fields.message_id = "m1";
    auto promise = std::make_shared<std::promise<Outcome>>();
    thread.Call([&] {
      const log::RecordView record{.fields = fields, .payload = kEvent};
      destination->Deliver({.record = &record,
                            .body = kEvent,
                            .webhook_id = kId,
                            .replay = replay,
                            .attempt = attempt,
                            .now_us = os::SystemClock().Now()},
                           [this, promise](Outcome outcome) {
                             ++answers;
                             promise->set_value(std::move(outcome));
                           });
    });
    return promise->get_future();
  }
  // One attempt at a peer that does this to the connection.
  Outcome DeliverTo(Peer::Script script) {
    Peer peer(std::move(script));
    Make(Options(peer.url()));
    const MonoNanos began = os::SystemClock().Monotonic();
    Outcome outcome = Start().get();
    took = os::SystemClock().Monotonic() - began;
    EXPECT_EQ(answers.exchange(0), 1);
    return outcome;
  }
  Outcome Answered(const std::string& answer) {
    return DeliverTo([&](int fd) {
      Peer::ReadHead(fd);
      Peer::Write(fd, answer);
    });
  }

  const deliver::DestinationType& type;
  http::EgressGuard guard;
  http::test::LoopThread thread;
  std::unique_ptr<http::Client> client;
  std::shared_ptr<deliver::Destination> destination;
  test::TempDir dir;
  std::atomic<int> answers = 0;
  MonoNanos took = 0;
};

// What those that speak HTTP must pass beside: whoever declares a `url`.
class HttpContract : public Contract {};

constexpr MonoNanos kSlack = 600 * kNanosPerMilli;

TEST_P(HttpContract, APeerThatHangsIsGivenUpAtTheTimeout) {
  const Outcome outcome = DeliverTo([](int fd) { Peer::WaitForEnd(fd); });
  EXPECT_EQ(outcome.verdict, Verdict::kRetry);
  EXPECT_TRUE(outcome.error.starts_with("ETIMEDOUT")) << outcome.error;
  EXPECT_GE(took, kTimeout - kSlack / 10);
  EXPECT_LT(took, kTimeout + kSlack);
}

TEST_P(HttpContract, APeerThatNeverAcceptsIsGivenUpAtTheTimeout) {
  Peer peer(nullptr, 0);
  // The queue of a socket that nobody serves is full: not even the kernel accepts.
  http::test::RawClient fillers[4];
  for (http::test::RawClient& filler : fillers) filler.StartConnect(peer.port());
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  Make(Options(peer.url()));
  const MonoNanos began = os::SystemClock().Monotonic();
  EXPECT_EQ(Start().get().verdict, Verdict::kRetry);
  const MonoNanos waited = os::SystemClock().Monotonic() - began;
  EXPECT_GE(waited, kTimeout - kSlack / 10);
  EXPECT_LT(waited, kTimeout + kSlack);
}

TEST_P(HttpContract, ADripOfBytesDoesNotPutTheTimeoutOff) {
  const Outcome outcome = DeliverTo([](int fd) {
    Peer::ReadHead(fd);
    for (const char c : std::string_view("HTTP/1.1 200 OK\r\nX-Slow: ")) {
      if (!Peer::Write(fd, {&c, 1})) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
  });
  EXPECT_EQ(outcome.verdict, Verdict::kRetry);
  EXPECT_LT(took, kTimeout + kSlack);
}

TEST_P(HttpContract, AnAnswerOfAGigabyteIsReadToALimit) {
  std::atomic<std::size_t> sent = 0;
  const Outcome outcome = DeliverTo([&](int fd) {
    Peer::ReadHead(fd);
    Peer::Write(fd, "HTTP/1.1 500 No\r\nContent-Length: 1073741824\r\n\r\n");
    const std::string piece(64 * 1024, 'x');
    while (sent < 1073741824 && Peer::Write(fd, piece)) sent += piece.size();
  });
  EXPECT_EQ(outcome.verdict, Verdict::kRetry);
  EXPECT_LE(outcome.response.size(), deliver::kResponseBytesKept);
  EXPECT_LT(sent, 64U * 1024 * 1024) << "what the socket's buffers hold, and little more";
}

TEST_P(HttpContract, TenThousandHeadersAreNotRead) {
  std::string answer = "HTTP/1.1 200 OK\r\n";
  for (int i = 0; i < 10'000; ++i) answer += "X-" + std::to_string(i) + ": y\r\n";
  EXPECT_EQ(Answered(answer + "Content-Length: 0\r\n\r\n").verdict, Verdict::kRetry);
}

TEST_P(HttpContract, AnEarlyResetIsARetry) {
  const Outcome outcome = DeliverTo([](int fd) {
    const linger now{1, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  });
  EXPECT_EQ(outcome.verdict, Verdict::kRetry);
  EXPECT_TRUE(outcome.error.starts_with("ECONNRESET")) << outcome.error;
}

TEST_P(HttpContract, AHeadThatIsCutOffIsNoDelivery) {
  EXPECT_EQ(Answered("HTTP/1.1 200 OK\r\nContent-Le").verdict, Verdict::kRetry);
  EXPECT_EQ(Answered("").verdict, Verdict::kRetry);
  EXPECT_EQ(Answered("SSH-2.0-OpenSSH_9.2\r\n").verdict, Verdict::kRetry);
}

std::string HttpDate(std::int64_t seconds) {
  const std::time_t time = seconds;
  std::tm utc{};
  gmtime_r(&time, &utc);
  char text[64];
  return {text, std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &utc)};
}

TEST_P(HttpContract, RetryAfterCountsInEveryFormAndIsBounded) {
  const auto wait = [&](const std::string& value) {
    const Outcome outcome =
        Answered("HTTP/1.1 503 Busy\r\nRetry-After: " + value + "\r\nContent-Length: 0\r\n\r\n");
    EXPECT_EQ(outcome.verdict, Verdict::kRetry) << value;
    return outcome.retry_after_ns;
  };
  EXPECT_EQ(wait("7"), 7 * kNanosPerSecond);
  EXPECT_EQ(wait("0"), 0);
  EXPECT_EQ(wait("99999999999999999999"), deliver::kRetryAfterMax);
  EXPECT_EQ(wait("-5"), std::nullopt);
  EXPECT_EQ(wait("soon"), std::nullopt);
  EXPECT_EQ(wait(""), std::nullopt);
  EXPECT_EQ(wait("Sun, 06 Nov 1994 08:49:37 GMT"), 0);
  EXPECT_EQ(wait("Fri, 31 Dec 2199 23:59:59 GMT"), deliver::kRetryAfterMax);
  const auto soon = wait(HttpDate(os::SystemClock().Now() / kMicrosPerSecond + 30));
  ASSERT_TRUE(soon.has_value());
  EXPECT_GT(*soon, 28 * kNanosPerSecond);
  EXPECT_LE(*soon, 30 * kNanosPerSecond);
}

TEST_P(HttpContract, RedirectsAreNotFollowed) {
  Peer elsewhere([](int fd) { Peer::ReadHead(fd); });
  for (const int status : {301, 302, 303, 307, 308}) {
    const Outcome outcome =
        Answered("HTTP/1.1 " + std::to_string(status) + " Moved\r\nLocation: " + elsewhere.url() +
                 "\r\nContent-Length: 0\r\n\r\n");
    EXPECT_EQ(outcome.verdict, Verdict::kReject) << status;
    EXPECT_EQ(outcome.status, status);
  }
  EXPECT_EQ(elsewhere.accepted, 0);
}

TEST_P(HttpContract, StatusesMeanWhatTheyMeanEverywhere) {
  const auto verdict = [&](int status) {
    return Answered("HTTP/1.1 " + std::to_string(status) + " X\r\nContent-Length: 0\r\n\r\n")
        .verdict;
  };
  for (const int status : {408, 409, 425, 429, 500, 502, 503, 504}) {
    EXPECT_EQ(verdict(status), Verdict::kRetry) << status;
  }
  EXPECT_EQ(verdict(410), Verdict::kDisable);
  EXPECT_EQ(verdict(422), Verdict::kReject);
}

TEST_P(HttpContract, BadCertificatesAreSentNothing) {
  int kinds = 0;
  for (const http::test::BadTls& bad : http::test::BadTlsKinds()) {
    http::test::TlsPeer peer(bad.certificate, bad.options);
    Make(Options("https://" + std::string(bad.host) + ":" + std::to_string(peer.port()) + "/"));
    const Outcome outcome = Start().get();
    EXPECT_EQ(outcome.verdict, Verdict::kRetry) << bad.name;
    EXPECT_TRUE(outcome.error.starts_with("ETLS")) << bad.name << ": " << outcome.error;
    EXPECT_EQ(peer.served, 0) << bad.name;
    ++kinds;
  }
  EXPECT_GE(kinds, 12);
}

TEST_P(HttpContract, NamesThatDoNotResolveAndPortsThatRefuseAreRetries) {
  Make(Options("http://nowhere.invalid/"));
  EXPECT_EQ(Start().get().verdict, Verdict::kRetry);
  std::uint16_t free_port = 0;
  {
    const Peer closed(nullptr);
    free_port = closed.port();
  }
  Make(Options("http://127.0.0.1:" + std::to_string(free_port) + "/"));
  const Outcome outcome = Start().get();
  EXPECT_EQ(outcome.verdict, Verdict::kRetry);
  EXPECT_TRUE(outcome.error.starts_with("EREFUSED")) << outcome.error;
}

TEST_P(HttpContract, AddressesThatTheGuardRefusesAreNeverConnectedTo) {
  for (const char* url : {"http://10.0.0.1/", "http://169.254.169.254/", "http://[::1]/",
                          "http://0x7f000002/", "ftp://127.0.0.1/", "http://u:p@127.0.0.1/"}) {
    const auto read = Read(Options(url));
    ASSERT_FALSE(read.has_value()) << url;
    EXPECT_EQ(read.error().field(), "url") << url;
  }
}

TEST_P(HttpContract, TheIdStaysTheSameOverAttempts) {
  std::mutex mutex;
  std::vector<std::string> heads;
  Peer peer([&](int fd) {
    const std::string head = Peer::ReadHead(fd);
    {
      const std::lock_guard lock(mutex);
      heads.push_back(head);
    }
    Peer::Write(fd, "HTTP/1.1 500 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
  });
  Make(Options(peer.url()));
  for (std::uint32_t attempt = 1; attempt <= 3; ++attempt) Start(attempt).get();
  ASSERT_EQ(heads.size(), 3U);
  for (const std::string& head : heads) {
    EXPECT_NE(head.find(std::string("webhook-id: ") + kId), std::string::npos) << head;
  }
}

TEST_P(HttpContract, RequestsOfAReplayAndNoticesSayWhatTheyAre) {
  std::string head;
  Peer peer([&](int fd) {
    head = Peer::ReadHead(fd);
    Peer::Write(fd, "HTTP/1.1 500 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
  });
  Make(Options(peer.url()));
  const auto head_of = [&](const log::RecordFields& fields, std::string_view replay) {
    StartAs(fields, replay).get();
    return AsciiLower(head);
  };
  const std::string plain = head_of({}, "");
  EXPECT_EQ(plain.find("tributary-"), std::string::npos) << plain;
  const std::string replay = head_of({}, "rpl_00000007");
  EXPECT_NE(replay.find("tributary-replay: rpl_00000007\r\n"), std::string::npos) << replay;
  for (const log::RecordFields& notice : {log::RecordFields{.kind = log::Kind::kSystem},
                                          log::RecordFields{.flags = deliver::kFlagNotice}}) {
    const std::string marked = head_of(notice, "");
    EXPECT_NE(marked.find("tributary-notice-from: contract-1\r\n"), std::string::npos) << marked;
  }
}

// ---- The door: every type, HTTP or not ----

TEST_P(Contract, StopsWithinASecondAndThenAnswersNobody) {
  Peer peer([](int fd) { Peer::WaitForEnd(fd); });
  Make(Options(peer.url()));
  const auto pending = Start();
  const MonoNanos began = os::SystemClock().Monotonic();
  thread.Call([&] { destination.reset(); });
  EXPECT_LT(os::SystemClock().Monotonic() - began, kNanosPerSecond);
  const int answered = answers;  // a type that needs no peer may have been quick
  std::this_thread::sleep_for(std::chrono::nanoseconds(2 * kTimeout));
  EXPECT_EQ(answers, answered);
}

TEST_P(Contract, NeverAnswersFromInsideTheCall) {
  Peer peer([](int fd) { Peer::ReadHead(fd); });
  Make(Options(peer.url()));
  std::promise<bool> answered;
  bool inside = false;  // the loop's thread only
  thread.Call([&] {
    inside = true;
    const log::RecordView record{.payload = kEvent};
    destination->Deliver({.record = &record, .body = kEvent, .webhook_id = kId},
                         [&](const Outcome&) { answered.set_value(inside); });
    inside = false;
  });
  EXPECT_FALSE(answered.get_future().get());
}

TEST_P(Contract, UnknownOptionsAndRequiredOnesAreNamed) {
  json options = Options("http://127.0.0.1:9/");
  options["no_such_option"] = 1;
  const auto read = Read(options);
  ASSERT_FALSE(read.has_value());
  EXPECT_EQ(read.error().field(), "no_such_option");
  for (const config::OptionSpec& spec : type.specs()) {
    if (!spec.required) continue;
    json without = Options("http://127.0.0.1:9/");
    without.erase(spec.name);
    const auto lacking = Read(without);
    ASSERT_FALSE(lacking.has_value()) << spec.name;
    EXPECT_EQ(lacking.error().field(), spec.name);
  }
}

TEST_P(Contract, SecretsAreInNoJsonAndNoError) {
  std::vector<std::pair<std::vector<std::string>, config::OptionType>> secrets;
  FindSecrets(type.specs(), {}, secrets);
  for (const auto& [path, kind] : secrets) {
    json patch = kMarker;
    if (kind == config::OptionType::kSecretMap) patch = {{"X-Any", kMarker}};
    if (kind == config::OptionType::kSecretList) patch = json::array({kMarker});
    for (auto name = path.rbegin(); name != path.rend(); ++name) patch = {{*name, patch}};
    json options = Options("http://127.0.0.1:9/");
    options.merge_patch(patch);
    const auto read = Read(options);
    if (!read) {
      EXPECT_EQ(read.error().ToString().find(kMarker), std::string::npos) << path.back();
      continue;
    }
    const json shown = config::WriteObject(type.specs(), read->get(), true);
    EXPECT_EQ(shown.dump().find(kMarker), std::string::npos) << shown;
    if (!SpeaksHttp(type)) continue;
    Peer peer([](int fd) {
      Peer::ReadHead(fd);
      Peer::Write(fd, "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n");
    });
    options["url"] = peer.url();
    Make(options);
    const Outcome outcome = Start().get();
    EXPECT_EQ((outcome.error + outcome.response).find(kMarker), std::string::npos) << path.back();
  }
}

std::vector<std::string> TypeNames(bool all) {
  std::vector<std::string> names;
  for (const auto* type : deliver::RegisteredTypes()) {
    if (all || SpeaksHttp(*type)) names.emplace_back(type->name);
  }
  return names;
}

INSTANTIATE_TEST_SUITE_P(EveryType, Contract, ::testing::ValuesIn(TypeNames(true)),
                         [](const auto& type) { return type.param; });
INSTANTIATE_TEST_SUITE_P(EveryHttpType, HttpContract, ::testing::ValuesIn(TypeNames(false)),
                         [](const auto& type) { return type.param; });

}  // namespace
}  // namespace tributary
