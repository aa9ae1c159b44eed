// What the tests of this folder share: every source on one loop, over a log in memory that commits
// when told to.
#pragma once

#include <nlohmann/json.hpp>

#include "ingest/intake.h"
#include "ingest/source.h"
#include "support/manual_executor.h"
#include "support/memory_log.h"

namespace tributary::sources::test {

using nlohmann::json;
inline constexpr UnixMicros kNow = 1'795'290'564'424'000;  // 2026-11-21T19:49:24.424Z

class FixedClock final : public os::Clock {
 public:
  UnixMicros Now() const override { return now_us; }
  MonoNanos Monotonic() const override { return 0; }
  UnixMicros now_us = kNow;
};

struct Answer {
  bool sent = false;
  int status = 0;
  std::vector<http::Header> headers;
  std::string body;
  std::string header(std::string_view name) const {
    for (const auto& [key, value] : headers) {
      if (key == name) return value;
    }
    return {};
  }
  json parsed() const { return json::parse(body); }
  std::string code() const { return parsed().value("code", ""); }
};

class AnswerTarget final : public http::Responder::Target {
 public:
  explicit AnswerTarget(Answer& answer) : answer_(answer) {}
  void Send(http::Response response) override {
    answer_ = {true, response.status, std::move(response.headers), std::move(response.body)};
  }
  void SendRaw(std::string_view bytes) override {
    const std::size_t end = bytes.find("\r\n\r\n");
    answer_ = {
        true, std::stoi(std::string(bytes.substr(9, 3))), {}, std::string(bytes.substr(end + 4))};
    raw = bytes;
  }
  void Dropped() override { ADD_FAILURE() << "a request was not answered"; }
  void StartStream(http::Response) override {}
  bool WriteStream(std::string_view) override { return false; }
  void EndStream() override {}
  bool gone() const override { return false; }
  std::string raw;

 private:
  Answer& answer_;
};

struct Sent {
  http::Method method = http::Method::kPost;
  std::string target;  // path and query
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
};

struct Record {
  log::RecordFields fields;
  std::string key, name, message_id, payload;
  json parsed() const { return json::parse(payload); }
};

class SourceKit {
 public:
  explicit SourceKit(std::vector<ingest::SourceSpec> sources = DefaultSources(),
                     bool loopback = true, ingest::IntakeLimits limits = {})
      : intake(loop, log, registry, limits) {
    directory.Set(std::make_shared<ingest::SourceSnapshot>(std::move(sources)));
    const ingest::SourceContext context{.intake = &intake,
                                        .directory = &directory,
                                        .clock = &clock,
                                        .random = &os::SystemRandom(),
                                        .metrics = &registry,
                                        .loopback = loopback};
    for (const auto* registration : ingest::RegisteredSources()) {
      made_.push_back(registration->make(context));
      made_.back()->AddRoutes(router);
    }
  }
  static std::vector<ingest::SourceSpec> DefaultSources() {
    return {{.id = 1, .name = "demo", .write_keys = {"WRITE_KEY"}},
            {.id = 2, .name = "off", .write_keys = {"OFF"}, .enabled = false},
            {.id = 3, .name = "web", .write_keys = {"WEB"}, .browser = true}};
  }

  // Parses, but nothing becomes durable yet.
  void Start(const Sent& sent, Answer& answer) {
    const std::size_t question = std::min(sent.target.find('?'), sent.target.size());
    http::Request request{.method = sent.method,
                          .path = std::string_view(sent.target).substr(0, question),
                          .body = sent.body,
                          .peer = "127.0.0.1",
                          .peer_is_loopback = true};
    if (question < sent.target.size()) {
      request.query = std::string_view(sent.target).substr(question + 1);
    }
    for (const auto& [name, value] : sent.headers) request.headers.emplace_back(name, value);
    router.Handle(request, http::Responder(std::make_shared<AnswerTarget>(answer)));
  }
  void Settle() {
    loop.Run();
    log.Commit();
    loop.Run();
  }
  Answer Ask(const Sent& sent) {
    Answer answer;
    Start(sent, answer);
    Settle();
    EXPECT_TRUE(answer.sent);
    return answer;
  }
  Answer Post(std::string target, std::string body) {
    return Ask({.target = std::move(target),
                .body = std::move(body),
                .headers = {{"Authorization", "Basic V1JJVEVfS0VZOg=="}}});
  }

  std::vector<Record> Records() {
    std::vector<Record> out;
    for (log::Offset at = 0; at < log.committed(0); ++at) {
      const auto found = log.ReadOne(0, at);
      const log::RecordFields& f = found->record.fields;
      out.push_back({f, std::string(f.key), std::string(f.name), std::string(f.message_id),
                     std::string(found->record.payload)});
    }
    return out;
  }
  Record Only() {
    const auto records = Records();
    EXPECT_EQ(records.size(), 1u);
    return records.empty() ? Record{} : records.front();
  }

  tributary::test::ManualExecutor loop;
  tributary::test::MemoryLog log{1, tributary::test::CommitMode::kManual};
  metrics::Registry registry;
  FixedClock clock;
  ingest::SourceDirectory directory{os::SystemRandom()};
  ingest::LoopIntake intake;
  http::Router router;

 private:
  std::vector<std::unique_ptr<ingest::Source>> made_;
};

}  // namespace tributary::sources::test
