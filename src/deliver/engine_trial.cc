#include "deliver/engine_trial.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "codec/base64.h"
#include "config/json_text.h"
#include "deliver/sent_secrets.h"
#include "event/json_document.h"

namespace tributary::deliver {
namespace {

using nlohmann::json;

// Two of one name are shown as one, as HTTP reads them.
void AddHeader(json& headers, const std::string& name, const std::string& value) {
  if (headers.contains(name)) {
    headers[name] = headers[name].get<std::string>() + ", " + value;
  } else {
    headers[name] = value;
  }
}

bool IsUtf8(const std::string& text) {
  try {
    static_cast<void>(json(text).dump());
    return true;
  } catch (const json::type_error&) {
    return false;
  }
}

void AddBody(json& object, const std::string& body) {
  if (IsUtf8(body)) {
    object["body"] = body;
  } else {
    object["body_base64"] = codec::Base64Encode(body);
  }
}

json RequestJson(const http::ClientRequest& request) {
  json headers = json::object();
  for (const auto& [name, value] : request.headers) {
    AddHeader(headers, name, MayBeShown(name) ? value : std::string(config::kRedacted));
  }
  json object{{"method", request.method}, {"url", request.url}, {"headers", std::move(headers)}};
  AddBody(object, request.body ? *request.body : "");
  return object;
}

json ResponseJson(const http::ClientResponse& response) {
  json headers = json::object();
  for (const auto& [name, value] : response.headers) AddHeader(headers, name, value);
  json object{{"status", response.status}, {"headers", std::move(headers)}};
  AddBody(object, response.body);
  return object;
}

std::string_view VerdictName(Verdict verdict) {
  switch (verdict) {
    case Verdict::kDelivered:
      return "delivered";
    case Verdict::kRetry:
      return "retry";
    case Verdict::kReject:
      return "rejected";
    case Verdict::kDisable:
      break;
  }
  return "disabled";
}

TrialEvent Sample(os::Random& random, UnixMicros now_us) {
  const std::string id = "test_" + random.Uuid();
  const std::string now = FormatIso8601(now_us);
  const json event{{"type", "track"},
                   {"messageId", id},
                   {"userId", "test-user"},
                   {"event", "Test Event"},
                   {"properties", {{"test", true}, {"total", 39.95}, {"currency", "EUR"}}},
                   {"context", json::object()},
                   {"originalTimestamp", now},
                   {"timestamp", now},
                   {"receivedAt", now}};
  return {.payload = event.dump(), .message_id = id};
}

}  // namespace

// One attempt: made on its destination's loop, ended and destroyed there.
class TrialTable::Trial final : public Witness, public std::enable_shared_from_this<Trial> {
 public:
  using Done = std::move_only_function<void(Result<std::string>)>;
  Trial(TrialEvent event, std::string name, std::string webhook_id, os::Executor* loop,
        os::Clock* clock, Done done)
      : event_(std::move(event)),
        name_(std::move(name)),
        webhook_id_(std::move(webhook_id)),
        loop_(loop),
        clock_(clock),
        done_(std::move(done)) {}

  void Sent(const http::ClientRequest& request) override { request_ = RequestJson(request); }
  void Answered(const http::ClientResponse& response) override {
    if (response.failure == http::Failure::kNone) response_ = ResponseJson(response);
  }

  // `mapped`: what the mapping made of the event; nullopt: there is none.
  void Run(std::shared_ptr<Destination> destination, std::optional<std::string> mapped, bool batch,
           std::function<void()> ended) {
    destination_ = std::move(destination);
    began_ = loop_->Now();
    const log::RecordView record{
        .fields = {.source = event_.source, .flags = event_.flags, .message_id = event_.message_id},
        .payload = event_.payload};
    const std::string& one = mapped ? *mapped : event_.payload;
    const std::string body = batch ? BodyAlone(one) : one;
    destination_->Deliver({.record = &record,
                           .body = body,
                           .mapped = mapped.has_value(),
                           .batch = batch,
                           .webhook_id = webhook_id_,
                           .now_us = clock_->Now()},
                          [this, ended = std::move(ended)](const Outcome& outcome) {
                            done_(Answer(outcome));
                            ended();
                          });
  }

  // Nothing was sent.
  void Fail(const std::string& why) {
    began_ = loop_->Now();
    done_(Answer(Outcome::Reject(why)));
  }

  os::Executor* loop() const { return loop_; }
  const std::string& payload() const { return event_.payload; }
  void Refuse() {
    done_(tributary::Fail(ErrorCode::kUnavailable,
                          std::to_string(kTrialsMax) + " tests are under way already, the most"));
  }

 private:
  std::string Answer(const Outcome& outcome) const {
    const json object{
        {"destination", name_},
        {"webhook_id", webhook_id_},
        {"request", request_},
        {"response", response_},
        {"verdict", VerdictName(outcome.verdict)},
        {"error", outcome.error.empty() ? json(nullptr) : json(outcome.error)},
        {"duration_ms", (loop_->Now() - began_) / kNanosPerMilli},
    };
    return R"({"event":)" + EventText() + "," + config::DumpText(object).substr(1);
  }

  // As it was sent: a JSON library would change its numbers, or hold none of 1e400.
  std::string EventText() const {
    event::JsonDocument document;
    return document.Parse(event_.payload) ? event_.payload : "null";
  }

  const TrialEvent event_;
  const std::string name_;
  const std::string webhook_id_;
  os::Executor* const loop_;
  os::Clock* const clock_;
  Done done_;
  MonoNanos began_ = 0;
  json request_;  // the last one sent, null before
  json response_;
  std::shared_ptr<Destination> destination_;
};

Trials& EngineImpl::trials() {
  return *trial_table_;
}

TrialTable::~TrialTable() = default;

void TrialTable::Try(std::string name, TrialEvent event, Trial::Done done) {
  const auto entry = engine_.Find(name);
  if (entry == nullptr) return done(std::unexpected(engine_.Get(name).error()));
  Spec spec;
  std::uint32_t revision = 0;
  {
    const std::lock_guard lock(engine_.mutex_);
    spec = entry->spec;
    revision = entry->revision;
  }
  if (event.payload.empty()) event = Sample(*engine_.world_.random, engine_.world_.clock->Now());
  const log::RecordView record{.fields = {.source = event.source, .message_id = event.message_id}};
  const bool batch = spec.lane.batch.size > 1;
  const std::string webhook_id =
      batch ? WebhookIdAlone(entry->id, record) : WebhookId(entry->id, record);
  os::Executor* const loop = entry->loop->loop.executor;
  auto trial = std::make_shared<Trial>(std::move(event), std::move(name), webhook_id, loop,
                                       engine_.world_.clock, std::move(done));
  {
    const std::lock_guard lock(mutex_);
    if (running_.size() < kTrialsMax) {
      running_.push_back(trial);
    } else {
      trial->Refuse();
      return;
    }
  }
  loop->Post([this, alive = std::weak_ptr(engine_.alive_), trial, spec = std::move(spec), revision,
              batch, state = entry->loop] {
    if (alive.expired()) return;
    auto settings = engine_.SettingsOf(spec, revision, state, trial.get());
    Map(trial, *settings, batch);
  });
}

// A mapping that fails is the answer, as it would be the dead letter's reason.
void TrialTable::Map(const std::shared_ptr<Trial>& trial, const LaneSettings& settings,
                     bool batch) {
  const auto run = [this, trial, batch,
                    destination = settings.destination](std::optional<std::string> mapped) {
    trial->Run(destination, std::move(mapped), batch, [this, weak = std::weak_ptr(trial)] {
      if (const auto ended = weak.lock()) End(ended);
    });
  };
  if (settings.mapping == nullptr) return run(std::nullopt);
  engine_.world_.programs->Run(
      settings.mapping, trial->payload(), *trial->loop(),
      [this, trial, run, alive = std::weak_ptr(engine_.alive_)](Result<std::string> mapped) {
        if (alive.expired()) return;
        if (mapped) return run(std::move(*mapped));
        trial->Fail("mapping: " + mapped.error().message());
        End(trial);
      });
}

// Not at once: its destination is in the middle of the call that led here.
void TrialTable::End(const std::shared_ptr<Trial>& trial) {
  trial->loop()->Post([trial] {});
  const std::lock_guard lock(mutex_);
  std::erase(running_, trial);
}

}  // namespace tributary::deliver
