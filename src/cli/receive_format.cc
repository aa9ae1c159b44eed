#include "cli/receive_format.h"

#include "cli/escape.h"
#include "cli/pretty_json.h"
#include "event/json_document.h"

namespace tributary::cli {
namespace {

using event::JsonField;
using event::JsonType;
using event::JsonValue;

constexpr std::string_view kValid = "signature valid";

std::string Short(std::string_view text) {
  const std::string_view cut = CutText(text, kLineFieldBytesMax);
  return EscapeLine(cut) + (cut.size() < text.size() ? "…" : "");
}

// The text of the first of `names` that is a string field of `object`.
std::string TextField(const JsonValue& object, std::initializer_list<std::string_view> names) {
  std::string key_scratch, scratch;
  for (const std::string_view name : names) {
    for (const JsonField field : object.fields()) {
      if (field.Key(key_scratch) != name || !field.value().is(JsonType::kString)) continue;
      return std::string(field.value().Text(scratch));
    }
  }
  return {};
}

std::string Indented(std::string_view block) {
  std::string out;
  while (!block.empty()) {
    const std::size_t end = std::min(block.find('\n'), block.size());
    out.append("  ").append(block.substr(0, end)).append("\n");
    block.remove_prefix(std::min(end + 1, block.size()));
  }
  return out;
}

}  // namespace

bool SeenIds::Repeats(std::string_view id) {
  const Hash128 hash = HashOf128(id);
  if (!known_.insert(hash).second) return true;
  order_.push_back(hash);
  if (order_.size() > kRememberedIdsMax) {
    known_.erase(order_.front());
    order_.pop_front();
  }
  return false;
}

std::string EventLabel(std::string_view body) {
  event::JsonDocument document;
  const auto value = document.Parse(body);
  if (!value) return {};
  if (value->is(JsonType::kArray)) {
    std::size_t count = 0;
    for (const JsonValue element : value->elements()) count += element.raw().empty() ? 0 : 1;
    return std::to_string(count) + (count == 1 ? " event" : " events");
  }
  if (!value->is(JsonType::kObject)) return {};
  std::string label = Short(TextField(*value, {"type", "event_type", "eventType"}));
  const std::string name = TextField(*value, {"event", "name"});
  if (!name.empty()) label += (label.empty() ? "\"" : " \"") + Short(name) + "\"";
  return label;
}

std::string BodyBlock(std::string_view body, const ReceiveFormat& format) {
  if (body.empty()) return {};
  // One byte more, to see that there is more.
  std::string text;
  if (!format.raw) text = PrettyJson(body, format.body_bytes_max + 1).value_or("");
  if (text.empty()) text = body.substr(0, format.body_bytes_max + 1);
  const std::string_view shown = CutText(text, format.body_bytes_max);
  std::string out = Indented(EscapeBlock(shown));
  if (shown.size() < text.size()) {
    out += "  … (cut; " + std::to_string(body.size()) + " bytes came)\n";
  }
  return out;
}

std::string ReceiveReport::Signature(const http::Request& request, UnixMicros now_us) {
  const std::string_view signature = request.header("webhook-signature");
  if (signature.empty()) return "signature absent";
  if (!verifier_) return "signature not checked";
  const Status status =
      verifier_->Verify(request.header("webhook-id"), request.header("webhook-timestamp"),
                        signature, request.body, now_us / kMicrosPerSecond);
  if (status) return std::string(kValid);
  return "signature INVALID (" + status.error().message() + ")";
}

std::string ReceiveReport::Describe(const http::Request& request, UnixMicros now_us) {
  std::string target(request.path);
  if (!request.query.empty()) target.append("?").append(request.query);
  constexpr std::size_t kTimeAt = 11, kTimeBytes = 12;  // "09:33:48.440" of the ISO form
  std::string line = FormatIso8601(now_us).substr(kTimeAt, kTimeBytes) + "  " +
                     Short(request.method_text) + " " + Short(target);
  const auto add = [&line](const std::string& part) {
    if (!part.empty()) line += "  " + part;
  };
  const std::string_view id = request.header("webhook-id");
  add(EventLabel(request.body));
  add(Short(id));
  const std::string signature = Signature(request, now_us);
  add(signature);
  // An id is only believed when its signature is: a stranger must not make a real one a repeat.
  const bool believed = !verifier_ || signature == kValid;
  if (!id.empty() && believed && seen_.Repeats(id)) add("repeat");
  return line + "\n" + BodyBlock(request.body, format_);
}

}  // namespace tributary::cli
