#include "cli/batch_sender.h"

#include <charconv>
#include <nlohmann/json.hpp>

#include "codec/base64.h"

namespace tributary::cli {
namespace {

using nlohmann::json;

constexpr std::string_view kOpen = "{\"batch\":[";
constexpr std::string_view kClose = "]}";

bool IsPassing(int status) {
  return status == 429 || status == 503 || status == 507;
}

MonoNanos RetryAfter(const ApiAnswer& answer) {
  const std::string_view text = answer.header("Retry-After");
  std::int64_t seconds = 1;
  std::from_chars(text.data(), text.data() + text.size(), seconds);
  constexpr std::int64_t kSecondsMax = kRetryAfterMax / kNanosPerSecond;
  return std::clamp<std::int64_t>(seconds, 1, kSecondsMax) * kNanosPerSecond;
}

bool IsBlank(std::string_view text) {
  return text.find_first_not_of(" \t") == std::string_view::npos;
}

}  // namespace

BatchSender::BatchSender(Api& api, BatchOptions options, OnRejected on_rejected,
                         OnProgress on_progress)
    : api_(api),
      options_(std::move(options)),
      on_rejected_(std::move(on_rejected)),
      on_progress_(std::move(on_progress)),
      body_(kOpen) {}

Status BatchSender::SendAll(LineReader& lines) {
  for (;;) {
    TRY_ASSIGN(const auto line, lines.Next());
    if (!line) break;
    if (line->number >= options_.first_line) TRY(Add(*line));
  }
  return SendBatch();
}

Status BatchSender::Add(const LineReader::Line& line) {
  if (line.too_long) {
    Reject(line.number, "longer than " + std::to_string(LineReader::kLineBytesMax) + " bytes");
    return {};
  }
  if (IsBlank(line.text)) return {};
  const auto value = document_.Parse(line.text);
  if (!value || !value->is(event::JsonType::kObject)) {
    Reject(line.number, value ? "not a JSON object" : value.error().message());
    return {};
  }
  const std::size_t grown = body_.size() + 1 + line.text.size() + kClose.size();
  if (grown > options_.bytes_max || line_numbers_.size() >= options_.events_max) TRY(SendBatch());
  if (!line_numbers_.empty()) body_ += ',';
  body_ += line.text;
  line_numbers_.push_back(line.number);
  return {};
}

Status BatchSender::SendBatch() {
  if (line_numbers_.empty()) return {};
  ApiCall call{.method = "POST", .path = "/v1/batch", .body = {}, .headers = {}};
  call.body = body_ + std::string(kClose);
  call.headers.emplace_back("Authorization",
                            "Basic " + codec::Base64Encode(options_.write_key + ":"));
  const auto answer = CallPatiently(call);
  if (!answer) return Stopped(answer.error().message());
  if (answer->status < 200 || answer->status > 299) return Stopped(MessageOf(*answer));
  TRY(Count(*answer));
  on_progress_(totals_);
  line_numbers_.clear();
  body_ = kOpen;
  return {};
}

Result<ApiAnswer> BatchSender::CallPatiently(const ApiCall& call) {
  for (int attempt = 1;; ++attempt) {
    TRY_ASSIGN(ApiAnswer answer, api_.Call(call));
    if (!IsPassing(answer.status) || attempt == kBatchAttemptsMax) return answer;
    api_.Wait(RetryAfter(answer));
  }
}

// What a 2xx does not name among the rejected was accepted.
Status BatchSender::Count(const ApiAnswer& answer) {
  const json body = json::parse(answer.body, nullptr, false);
  if (!body.is_object() || body.value("success", json()) != true) {
    return Stopped("the answer is not Tributary's");
  }
  std::uint64_t rejected = 0;
  for (const json& one : body.value("rejected", json::array())) {
    const json index = one.is_object() ? one.value("index", json()) : json();
    if (!index.is_number_unsigned() || index >= line_numbers_.size()) continue;
    const json message = one.value("message", json());
    Reject(line_numbers_[index.get<std::size_t>()],
           message.is_string() ? message.get<std::string>() : "rejected");
    ++rejected;
  }
  const json total = body.value("rejected_total", json());  // when the list names only some
  if (total.is_number_unsigned() && total > rejected) {
    totals_.rejected += total.get<std::uint64_t>() - rejected;
    rejected = total.get<std::uint64_t>();
  }
  totals_.accepted +=
      line_numbers_.size() - std::min<std::uint64_t>(rejected, line_numbers_.size());
  return {};
}

void BatchSender::Reject(std::uint64_t line, const std::string& why) {
  ++totals_.rejected;
  on_rejected_(line, why);
}

std::unexpected<Error> BatchSender::Stopped(const std::string& why) const {
  return Fail(ErrorCode::kUnavailable,
              why + "; everything before line " + std::to_string(line_numbers_.front()) +
                  " was answered: go on with --from-line " + std::to_string(line_numbers_.front()));
}

}  // namespace tributary::cli
