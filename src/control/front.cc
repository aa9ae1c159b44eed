#include "control/front.h"

#include <nlohmann/json.hpp>

#include "codec/base64.h"
#include "control/source_registry.h"
#include "control/source_stored.h"
#include "http/error_response.h"

namespace tributary::control {
namespace {

using http::Method;
using http::PathParams;
using http::Request;
using http::Responder;
using http::Response;
using http::Route;
using nlohmann::json;

constexpr std::string_view kHeader = "Idempotency-Key";
constexpr MonoNanos kLookAgain = 20 * kNanosPerMilli;

bool Changes(const Route& route) {
  return route.scope >= http::Scope::kWrite && route.method != Method::kGet &&
         !route.changes_nothing;
}

// What the path speaks of, where it is something that can be shown before and after.
std::string KindOf(std::string_view pattern) {
  if (pattern.starts_with("/api/v1/destinations")) return "destination";
  if (pattern == "/destinations") return "destination";
  return pattern.starts_with("/api/v1/sources") ? "source" : "";
}

std::string Member(std::string_view json_text, const char* name) {
  const json object = json::parse(json_text, nullptr, false);
  if (!object.is_object() || !object.contains(name) || !object[name].is_string()) return {};
  return object[name].get<std::string>();
}

std::string NameOf(const Request& request, const PathParams& params, std::string_view pattern) {
  if (const auto found = params.find("name"); found != params.end()) return found->second;
  return Member(request.body, pattern == "/destinations" ? "destinationName" : "name");
}

// A JSON answer made elsewhere may have a pointless header order; only these two are remembered.
std::string ContentType(const Response& response) {
  for (const auto& [name, value] : response.headers) {
    if (name == "Content-Type") return value;
  }
  return {};
}

// The draft's form is a quoted text; most callers leave the quotes out.
Result<std::string> KeyOf(const Request& request) {
  std::string_view key = request.header(kHeader);
  if (key.size() >= 2 && key.starts_with('"') && key.ends_with('"')) {
    key = key.substr(1, key.size() - 2);
  }
  const bool visible = std::ranges::all_of(key, [](char c) { return c >= 0x20 && c < 0x7F; });
  if (visible && !key.empty() && key.size() <= kIdempotencyKeyBytesMax) return std::string(key);
  return Fail(ErrorCode::kInvalid, std::string(kHeader),
              "Idempotency-Key must be 1 to " + std::to_string(kIdempotencyKeyBytesMax) +
                  " bytes of visible ASCII");
}

std::string FingerprintOf(const Request& request) {
  std::string text(request.method_text);
  for (const std::string_view part : {request.path, request.query, request.body}) {
    text += '\0';
    text += part;
  }
  return codec::Base64UrlEncode(codec::AsText(codec::Sha256Of(text)));
}

}  // namespace

// Lives until its answer is sent; the views of `request` live as long as `responder` is unused.
struct Front::Call {
  const Route* route = nullptr;
  const Request* request = nullptr;
  PathParams params;
  Responder responder;
  AuditRecord record;
  AuditLog::Place place;
  std::string row;  // of the idempotency key; empty: none was given
  std::string fingerprint;
  MonoNanos deadline = 0;
};

// Takes the handler's answer, so that it can be written before it is sent.
class Front::Target final : public Responder::Target {
 public:
  Target(Front& front, CallPtr call)
      : front_(front), alive_(front.alive_), call_(std::move(call)) {}

  void Send(Response response) override {
    if (!alive_.expired()) front_.Finish(call_, std::move(response));
  }
  void SendRaw(std::string_view bytes) override { call_->responder.SendRaw(bytes); }
  void Dropped() override {
    Send(http::ErrorResponse(500, "internal", "the server could not do this"));
  }
  // A call that changes something answers at once; a stream has nothing to remember.
  void StartStream(Response head) override {
    stream_ = call_->responder.StartStream(std::move(head));
  }
  bool WriteStream(std::string_view bytes) override { return stream_->WriteStream(bytes); }
  void EndStream() override { stream_->EndStream(); }
  bool gone() const override { return stream_ && stream_->gone(); }

 private:
  Front& front_;
  const std::weak_ptr<int> alive_;
  CallPtr call_;
  std::shared_ptr<Responder::Target> stream_;
};

http::Router::Around Front::around() {
  return [this](const Route& route, const Request& request, const PathParams& params,
                Responder responder) { Run(route, request, params, std::move(responder)); };
}

void Front::Run(const Route& route, const Request& request, const PathParams& params,
                Responder responder) {
  if (!Changes(route)) return route.handle(request, params, std::move(responder));
  auto call = std::make_shared<Call>();
  call->route = &route;
  call->request = &request;
  call->params = params;
  AuditRecord& record = call->record;
  record.who = world_.access->NameOf(request);
  record.address = request.peer;
  record.action = std::string(http::MethodName(route.method)) + " " + route.pattern;
  record.path = request.path;
  record.kind = KindOf(route.pattern);
  if (record.kind.empty()) {
    record.request = Redacted(request.body);
  } else {
    record.name = NameOf(request, params, route.pattern);
    record.before = Show(record.kind, record.name);
  }
  if (route.method == Method::kPost && request.has_header(kHeader)) {
    const auto key = KeyOf(request);
    if (!key) return responder.Send(http::ErrorResponse(key.error()));
    call->row = Idempotency::RowOf(world_.access->IdentityOf(request), *key);
    call->fingerprint = FingerprintOf(request);
  }
  call->responder = std::move(responder);
  call->deadline = blocking_.loop().Now() + kIdempotencyWaitMax;
  Begin(call);
}

void Front::Begin(const CallPtr& call) {
  if (under_way_ >= kChangesUnderWayMax) return Refuse(*call);
  ++under_way_;
  const auto work = [journal = world_.journal, call]() -> Result<Idempotency::State> {
    store::Batch batch;
    Idempotency::State state = Idempotency::State::kNew;
    if (!call->row.empty()) {
      state = journal.idempotency->Begin(call->row, call->fingerprint, batch);
    }
    if (state == Idempotency::State::kNew) call->place = journal.audit->Begin(call->record, batch);
    if (batch.empty()) return state;
    const Status written = journal.store->Write(batch, store::Sync::kNo);
    if (written) return state;
    store::Batch unused;
    if (state == Idempotency::State::kNew) journal.idempotency->Drop(call->row, unused);
    return Fail(ErrorCode::kUnavailable, written.error().message());
  };
  const bool taken = blocking_.Run(work, [this, call](Result<Idempotency::State> state) {
    if (state && *state == Idempotency::State::kNew) return Handle(call);
    --under_way_;
    if (!state) return call->responder.Send(http::ErrorResponse(state.error()));
    Begun(call, *state);
  });
  if (taken) return;
  --under_way_;
  Refuse(*call);
}

// Before anything was done.
void Front::Refuse(Call& call) {
  call.responder.Send(http::ErrorResponse(503, "unavailable", "too many calls wait; try again"));
}

void Front::Begun(const CallPtr& call, Idempotency::State state) {
  switch (state) {
    case Idempotency::State::kNew:
      break;  // Begin() has handled it
    case Idempotency::State::kRunning:
      return WaitFor(call);
    case Idempotency::State::kAnswered:
      return Replay(call);
    case Idempotency::State::kUnknown:
      return call->responder.Send(http::ErrorResponse(
          409, "conflict",
          "the server ended or failed while the first request of this key was under way, so nobody "
          "knows whether it was done: look, then use another key",
          kHeader));
    case Idempotency::State::kOther:
      return call->responder.Send(
          http::ErrorResponse(422, "idempotency_key_reused",
                              "this key was used for another request; a key belongs to one method, "
                              "path and body",
                              kHeader));
  }
}

void Front::WaitFor(CallPtr call) {
  os::Executor& loop = blocking_.loop();
  if (loop.Now() >= call->deadline || waiting_ >= kIdempotencyWaitersMax) {
    return call->responder.Send(http::ErrorResponse(
        409, "conflict", "the first request of this key is still under way", kHeader));
  }
  ++waiting_;
  loop.At(loop.Now() + kLookAgain, [this, call = std::move(call)]() mutable {
    --waiting_;
    Begin(call);
  });
}

void Front::Replay(const CallPtr& call) {
  const auto work = [idempotency = world_.journal.idempotency, row = call->row] {
    return idempotency->Replay(row);
  };
  const bool taken = blocking_.Run(work, [call](Result<RememberedAnswer> answer) {
    if (!answer) {
      return call->responder.Send(http::ErrorResponse(
          409, "conflict",
          "the request was done; its answer cannot be read any more: " + answer.error().message(),
          kHeader));
    }
    Response response{.status = answer->status, .headers = {}, .body = std::move(answer->body)};
    if (!answer->content_type.empty()) {
      response.headers.emplace_back("Content-Type", std::move(answer->content_type));
    }
    response.headers.emplace_back("Idempotent-Replayed", "true");
    call->responder.Send(std::move(response));
  });
  if (!taken) Refuse(*call);
}

void Front::Handle(CallPtr call) {
  const Route& route = *call->route;
  const Request& request = *call->request;
  const PathParams params = call->params;
  route.handle(request, params, Responder(std::make_shared<Target>(*this, std::move(call))));
}

std::string Front::Show(const std::string& kind, const std::string& name) const {
  if (kind == "destination") return world_.engine->Get(name).value_or("");
  const auto snapshot = world_.sources->current();
  const ingest::SourceSpec* const source = snapshot->FindByName(name);
  return source == nullptr ? "" : SourceJson(*source, world_.sources->Now()).dump();
}

void Front::Finish(const CallPtr& call, Response response) {
  AuditRecord& record = call->record;
  record.status = response.status;
  record.after = record.kind.empty() ? Redacted(response.body) : Show(record.kind, record.name);
  auto kept = std::make_shared<Response>(std::move(response));
  const auto work = [journal = world_.journal, call, kept] {
    const bool refused = kept->status >= 400 && kept->status < 500;
    const bool failed = kept->status >= 500;
    store::Batch batch;
    if (refused) {
      journal.audit->Drop(call->place, batch);
    } else {
      journal.audit->End(call->place, call->record, batch);
    }
    if (!call->row.empty() && failed) journal.idempotency->Drop(call->row, batch);
    if (!call->row.empty() && !failed) {
      journal.idempotency->End(call->row, call->fingerprint,
                               {kept->status, ContentType(*kept), kept->body}, batch);
    }
    const bool must_last = !refused || !call->row.empty();
    const Status written =
        journal.store->Write(batch, must_last ? store::Sync::kYes : store::Sync::kNo);
    if (!call->row.empty() && !failed) journal.idempotency->Ended(call->row, written.has_value());
    return written;
  };
  blocking_.RunAnyway(work, [this, call, kept](const Status& written) {
    --under_way_;
    // What was done is done, and was recorded as begun; a failed store fails the next change.
    if (!written && kept->status < 400) {
      return call->responder.Send(http::ErrorResponse(
          503, "unavailable", "the change was made, but its record could not be written"));
    }
    call->responder.Send(std::move(*kept));
  });
}

}  // namespace tributary::control
