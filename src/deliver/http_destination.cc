#include "deliver/http_destination.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <set>
#include <utility>

#include "base/ascii.h"
#include "deliver/http_date.h"
#include "deliver/notice.h"
#include "deliver/sent_secrets.h"

namespace tributary::deliver {
namespace {

std::string_view HeaderValue(const http::ClientResponse& response, std::string_view lower_name) {
  for (const auto& [name, value] : response.headers) {
    if (AsciiLower(name) == lower_name) return value;
  }
  return {};
}

bool IsToken(std::string_view name) {
  static constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           kOthers.find(c) != std::string_view::npos;
  });
}

bool IsForbidden(std::string_view lower_name) {
  static constexpr std::array<std::string_view, 21> kNames{"user-agent",
                                                           "keep-alive",
                                                           "proxy-authenticate",
                                                           "proxy-authorization",
                                                           "te",
                                                           "trailers",
                                                           "transfer-encoding",
                                                           "upgrade",
                                                           "age",
                                                           "cache-control",
                                                           "clear-site-data",
                                                           "expires",
                                                           "pragma",
                                                           "warning",
                                                           "content-length",
                                                           "content-type",
                                                           "content-encoding",
                                                           "content-language",
                                                           "content-location",
                                                           "host",
                                                           "connection"};
  static constexpr std::array<std::string_view, 11> kPrefixes{
      "x-amz-", "x-amzn-", "x-google", "x-goog-",  "x-gfe",     "x-azure-",
      "x-fd-",  "x-svix-", "svix-",    "webhook-", "tributary-"};
  return lower_name == "trailer" || lower_name == "expect" || lower_name == "proxy-connection" ||
         lower_name == "http2-settings" || std::ranges::find(kNames, lower_name) != kNames.end() ||
         std::ranges::any_of(
             kPrefixes, [&](std::string_view prefix) { return lower_name.starts_with(prefix); });
}

bool IsFieldValue(std::string_view value) {
  return std::ranges::all_of(value, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte == '\t' || (byte >= 0x20 && byte != 0x7F);
  });
}

constexpr std::size_t kHeadersMax = 50;
constexpr std::size_t kHeaderBytesMax = 4096;

}  // namespace

std::optional<MonoNanos> ParseRetryAfter(std::string_view value, UnixMicros now_us) {
  while (value.starts_with(' ')) value.remove_prefix(1);
  while (value.ends_with(' ')) value.remove_suffix(1);
  if (value.empty()) return std::nullopt;
  if (std::ranges::all_of(value, [](char c) { return c >= '0' && c <= '9'; })) {
    std::int64_t seconds = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), seconds);
    constexpr std::int64_t kMaxSeconds = kRetryAfterMax / kNanosPerSecond;
    if (error == std::errc::result_out_of_range) seconds = kMaxSeconds;
    return std::min(seconds, kMaxSeconds) * kNanosPerSecond;
  }
  const auto at = ParseHttpDate(value, now_us);
  if (!at) return std::nullopt;
  constexpr std::int64_t kMaxMicros = kRetryAfterMax / 1000;
  return std::clamp<std::int64_t>(*at - now_us, 0, kMaxMicros) * 1000;
}

Outcome JudgeResponse(const http::ClientResponse& response, UnixMicros now_us,
                      const RetriedStatuses& retried) {
  Outcome outcome;
  outcome.status = response.status;
  outcome.response = response.body.substr(0, kResponseBytesKept);
  if (response.failure != http::Failure::kNone) {
    // What can never work is not tried again. A blocked address is not final: a name may resolve
    // to another one, and the operator may allow it.
    const bool final = response.failure == http::Failure::kInvalidUrl;
    outcome.verdict = final ? Verdict::kReject : Verdict::kRetry;
    outcome.error = std::string(http::FailureName(response.failure));
    if (!response.error.empty()) outcome.error += ": " + response.error;
    return outcome;
  }
  const int status = response.status;
  if (status >= 200 && status < 300) return outcome;
  outcome.error = "HTTP " + std::to_string(status);
  if (retried.contains(status)) {
    outcome.verdict = Verdict::kRetry;
    outcome.retry_after_ns = ParseRetryAfter(HeaderValue(response, "retry-after"), now_us);
  } else if (status == 410) {
    outcome.verdict = Verdict::kDisable;
  } else {
    outcome.verdict = Verdict::kReject;
    if (status >= 300 && status < 400) outcome.error += " (redirects are not followed)";
  }
  return outcome;
}

HttpDestination::~HttpDestination() {
  for (const auto& [attempt, pending] : pending_) {
    if (pending.request != 0) context_.client->Cancel(pending.request);
  }
}

// What every request says of itself, whatever its type.
Result<http::ClientRequest> HttpDestination::Marked(const Delivery& delivery) const {
  TRY_ASSIGN(http::ClientRequest request, Encode(delivery));
  if (!delivery.replay.empty()) request.headers.emplace_back(kReplayHeader, delivery.replay);
  if (IsNotice(delivery.record->fields) && !context_.instance.empty()) {
    request.headers.emplace_back(kNoticeHeader, context_.instance);
  }
  return request;
}

void HttpDestination::Deliver(const Delivery& delivery, Done done) {
  const std::uint64_t attempt = next_++;
  Pending& pending = pending_[attempt];
  pending.done = std::move(done);
  pending.members = delivery.members;
  auto request = Marked(delivery);
  if (!request) {
    // Not from inside this call: the lane is in the middle of its window.
    context_.loop->Post(
        [alive = std::weak_ptr<char>(alive_), this, attempt, why = request.error().message()] {
          if (!alive.expired()) Finish(attempt, Outcome::Reject("cannot be encoded: " + why));
        });
    return;
  }
  request->timeout_ns = context_.timeout_ns;
  if (tokens() != nullptr) {
    pending.draft = std::move(*request);
    pending.deadline = context_.loop->Now() + context_.timeout_ns;
    return Authorize(attempt);
  }
  Send(attempt, std::move(*request));
}

void HttpDestination::Send(std::uint64_t attempt, http::ClientRequest request) {
  if (context_.witness != nullptr) context_.witness->Sent(request);
  pending_.at(attempt).secrets = SecretsOf(request);
  pending_.at(attempt).request =
      context_.client->Send(std::move(request), [this, attempt](http::ClientResponse response) {
        Redact(pending_.at(attempt).secrets, response);
        OnAnswer(attempt, response);
      });
}

void HttpDestination::Authorize(std::uint64_t attempt) {
  tokens()->Get([this, attempt](Result<std::string> token) {
    if (token) return SendWith(attempt, *token);
    Finish(attempt, Outcome::Retry(token.error().message()));
  });
}

void HttpDestination::SendWith(std::uint64_t attempt, const std::string& token) {
  Pending& pending = pending_.at(attempt);
  http::ClientRequest request = pending.draft;
  // Waiting for the token was part of the attempt: at its end this fails as any late answer does.
  request.timeout_ns = std::max<MonoNanos>(pending.deadline - context_.loop->Now(), 1);
  request.headers.emplace_back("Authorization", "Bearer " + token);
  pending.token = token;
  Send(attempt, std::move(request));
}

void HttpDestination::OnAnswer(std::uint64_t attempt, const http::ClientResponse& response) {
  constexpr int kUnauthorized = 401;
  if (context_.witness != nullptr) context_.witness->Answered(response);
  if (response.status == kUnauthorized && tokens() != nullptr) {
    Pending& pending = pending_.at(attempt);
    pending.request = 0;
    if (!std::exchange(pending.repeated, true)) {
      tokens()->Refused(pending.token);
      return Authorize(attempt);
    }
  }
  Finish(attempt, Judge(response, context_.clock->Now()));
}

// The outcome may destroy this destination: nothing is touched after the call.
void HttpDestination::Finish(std::uint64_t attempt, Outcome outcome) {
  auto node = pending_.extract(attempt);
  if (node.empty()) return;
  const std::uint32_t members = node.mapped().members;
  std::erase_if(outcome.rejected, [&](const RejectedMember& r) { return r.index >= members; });
  if (members == 1 && !outcome.rejected.empty()) {
    outcome.verdict = Verdict::kReject;
    outcome.error = std::move(outcome.rejected.front().error);
    outcome.rejected.clear();
  }
  node.mapped().done(std::move(outcome));
}

Status CheckCustomHeaders(const std::map<std::string, config::Secret>& headers) {
  const auto wrong = [](const std::string& name, const char* why) {
    return Fail(ErrorCode::kInvalid, "headers." + name, "headers." + name + " " + why);
  };
  if (headers.size() > kHeadersMax) {
    return Fail(ErrorCode::kInvalid, "headers",
                "headers must have at most " + std::to_string(kHeadersMax) + " entries");
  }
  std::set<std::string> seen;
  for (const auto& [name, value] : headers) {
    if (!IsToken(name)) return wrong(name, "is no header name");
    if (!seen.insert(AsciiLower(name)).second) {
      return wrong(name, "is given twice: letter case does not tell headers apart");
    }
    if (IsForbidden(AsciiLower(name)))
      return wrong(name, "is set by Tributary or by the connection");
    if (!IsFieldValue(value.Reveal())) return wrong(name, "has control characters in its value");
    if (name.size() + value.Reveal().size() > kHeaderBytesMax) {
      return wrong(name, "must have at most 4096 bytes");
    }
  }
  return {};
}

void AddWebhookHeaders(std::string_view webhook_id, UnixMicros now_us, std::string_view body,
                       codec::WebhookSigner* signer, std::vector<http::Header>& headers) {
  const std::int64_t seconds = now_us / kMicrosPerSecond;
  headers.emplace_back("webhook-id", webhook_id);
  headers.emplace_back("webhook-timestamp", std::to_string(seconds));
  if (signer != nullptr) {
    headers.emplace_back("webhook-signature", signer->Sign(webhook_id, now_us, body));
  }
}

}  // namespace tributary::deliver
