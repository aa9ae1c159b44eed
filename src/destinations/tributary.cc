// tributary: hands events on to another Tributary's collection door, in gzip batches.
//
// Ids stay (`messageId`), so that the receiver knows repeats. Times stay too: a receiver corrects
// `timestamp` by `sentAt` unless `originalTimestamp` is there as well (collection-api.md section
// 6), so that one is added where the client had sent no time.
//
// The receiver answers a batch 200 and lists the events that it refuses: those are dead-lettered
// with its code, the others are delivered. An answer that is none of a Tributary's, or says that
// the write key is not known (any more), is tried again: nothing about the events is wrong.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "codec/base64.h"
#include "codec/gzip.h"
#include "destinations/authorization.h"
#include "destinations/http_options.h"
#include "event/json_document.h"

namespace tributary::destinations {
namespace {

using nlohmann::json;

constexpr std::int64_t kWriteKeyBytesMax = 1024;
// 2,500 refused events, the most of a batch, take less than this.
constexpr std::size_t kAnswerBytesMax = 2 * 1024 * 1024;
constexpr std::string_view kPath = "/v1/batch";

struct TributaryOptions {
  std::string url;
  config::Secret write_key;
  bool gzip = true;
  TlsOptions tls;

  static void Describe(config::OptionList<TributaryOptions>& o) {
    o.Required("url", &TributaryOptions::url,
               "The other Tributary, such as https://events.example.com.",
               {.min = 1, .max = kUrlBytesMax});
    o.Required("write_key", &TributaryOptions::write_key, "Write key of one of its sources.",
               {.min = 1, .max = kWriteKeyBytesMax});
    o.Optional("gzip", &TributaryOptions::gzip, "Whether bodies are compressed.");
    o.Object("tls", &TributaryOptions::tls, "Certificates of https connections (mTLS).");
  }
};

std::string BatchUrl(std::string url) {
  while (url.ends_with('/')) url.pop_back();
  if (!url.ends_with(kPath)) url += kPath;
  return url;
}

Status CheckOptions(const TributaryOptions& options, const deliver::CheckContext& context) {
  if (options.url.find_first_of("?#") != std::string::npos) {
    return Fail(ErrorCode::kInvalid, "url", "url must not have a query or a fragment");
  }
  if (context.egress != nullptr) {
    if (const Status judged = context.egress->JudgeUrl(options.url); !judged) {
      return Fail(judged.error().code(), "url", "url: " + judged.error().message());
    }
  }
  if (!std::ranges::all_of(options.write_key.Reveal(),
                           [](char c) { return c > 0x20 && c < 0x7F && c != ':'; })) {
    return Fail(ErrorCode::kInvalid, "write_key",
                "write_key must be visible ASCII without spaces and colons");
  }
  return {};
}

// The event as it is, with `originalTimestamp` if it lacks that and has a `timestamp`.
Status AddEvent(const event::JsonValue& event, std::string& out) {
  if (!event.is(event::JsonType::kObject)) {
    return Fail(ErrorCode::kInvalid, "the event is no JSON object");
  }
  std::string scratch;
  std::string_view timestamp;
  bool original = false;
  for (const event::JsonField field : event.fields()) {
    const std::string_view key = field.Key(scratch);
    if (key == "originalTimestamp") original = true;
    if (key == "timestamp") timestamp = field.value().raw();
  }
  if (original || timestamp.empty()) {
    out += event.raw();
    return {};
  }
  out.append("{\"originalTimestamp\":").append(timestamp).append(",");
  out += event.raw().substr(1);
  return {};
}

Result<std::string> BatchBody(const deliver::Delivery& delivery) {
  event::JsonDocument document;
  TRY_ASSIGN(const event::JsonValue value, document.Parse(delivery.body));
  std::string out = "{\"batch\":[";
  if (!delivery.batch) {
    TRY(AddEvent(value, out));
  } else {
    bool first = true;
    for (const event::JsonValue member : value.elements()) {
      if (!std::exchange(first, false)) out += ',';
      TRY(AddEvent(member, out));
    }
  }
  return out += "]}";
}

std::string TextOf(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// "no_user_anon_id: …", as the receiver put it.
std::string ReasonOf(const json& entry) {
  std::string code = TextOf(entry, "code");
  if (code.empty()) code = "refused";
  const std::string message = TextOf(entry, "message");
  return message.empty() ? code : code + ": " + message;
}

// Each member once, in order.
std::vector<deliver::RejectedMember> RejectedOf(const json& answer) {
  std::vector<deliver::RejectedMember> rejected;
  const auto found = answer.find("rejected");
  if (found == answer.end() || !found->is_array()) return rejected;
  for (const json& entry : *found) {
    if (!entry.is_object() || !entry.contains("index") || !entry["index"].is_number_unsigned()) {
      continue;
    }
    const auto index = entry["index"].get<std::uint64_t>();
    if (index <= UINT32_MAX) {
      rejected.push_back({static_cast<std::uint32_t>(index), ReasonOf(entry)});
    }
  }
  std::ranges::stable_sort(rejected, {}, &deliver::RejectedMember::index);
  const auto twice = std::ranges::unique(rejected, {}, &deliver::RejectedMember::index);
  rejected.erase(twice.begin(), twice.end());
  return rejected;
}

class Tributary final : public deliver::HttpDestination {
 public:
  using OptionsType = TributaryOptions;
  static constexpr bool kBatches = true;

  static Status Check(const TributaryOptions& options, const deliver::CheckContext& context) {
    return CheckOptions(options, context);
  }
  Tributary(const TributaryOptions& options, const deliver::DestinationContext& context)
      : HttpDestination(context),
        url_(BatchUrl(options.url)),
        authorization_("Basic " + codec::Base64Encode(options.write_key.Reveal() + ":")),
        gzip_(options.gzip),
        tls_(options.tls.identity()) {}

  Result<http::ClientRequest> Encode(const deliver::Delivery& delivery) const override {
    TRY_ASSIGN(std::string body, BatchBody(delivery));
    http::ClientRequest request;
    request.url = url_;
    request.response_bytes_max = kAnswerBytesMax;
    request.tls = tls_;
    request.headers = {{"Content-Type", "application/json"},
                       {"User-Agent", context().user_agent},
                       {"Authorization", authorization_}};
    if (gzip_) {
      request.headers.emplace_back("Content-Encoding", "gzip");
      body = codec::GzipCompress(body);
    }
    deliver::AddWebhookHeaders(delivery.webhook_id, delivery.now_us, body, nullptr,
                               request.headers);
    request.body = std::make_shared<const std::string>(std::move(body));
    return request;
  }

  deliver::Outcome Judge(const http::ClientResponse& response, UnixMicros now_us) const override {
    deliver::Outcome outcome = deliver::JudgeResponse(response, now_us, context().retried);
    if (response.status == 401 || response.status == 404) {
      outcome.verdict = deliver::Verdict::kRetry;
      outcome.error += " (is the write key in force there?)";
    }
    if (outcome.verdict != deliver::Verdict::kDelivered) return outcome;
    const json answer = json::parse(response.body, nullptr, false);
    if (!answer.is_object() || answer.value("success", json()) != true) {
      outcome.verdict = deliver::Verdict::kRetry;
      outcome.error = "the answer is none of a Tributary's";
      return outcome;
    }
    outcome.rejected = RejectedOf(answer);
    return outcome;
  }

 private:
  const std::string url_;
  const std::string authorization_;
  const bool gzip_;
  const std::shared_ptr<const http::TlsIdentity> tls_;
};

const deliver::DestinationRegistration kTributary =
    deliver::Register<Tributary>("tributary", "Hands events on to another Tributary, in batches.");

}  // namespace
}  // namespace tributary::destinations
