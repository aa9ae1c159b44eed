#include "control/delivery_text.h"

#include "control/query.h"

namespace tributary::control {

std::string DeliveryText(SourceNames& names, const deliver::PairTrace& pair, log::SourceId source,
                         std::string_view message_id, std::string_view more) {
  std::string text = deliver::PairTraceJson(pair);
  text.pop_back();
  const std::string name = names.NameOf(source);
  text += ",\"message_id\":" + (message_id.empty() ? "null" : JsonString(message_id));
  text += ",\"source\":" + (name.empty() ? "null" : JsonString(name));
  text += more;
  return text + "}";
}

std::optional<std::string> TextParameter(std::string_view query, std::string_view name) {
  std::string value;
  if (!http::QueryParameter(query, name, value)) return std::nullopt;
  return value;
}

Result<std::optional<UnixMicros>> TimeParameter(std::string_view query, std::string_view name) {
  const auto text = TextParameter(query, name);
  if (!text) return std::nullopt;
  const auto at = ParseIso8601(*text);
  if (at) return at;
  return Fail(ErrorCode::kInvalid, std::string(name),
              std::string(name) + " must be a time such as 2026-01-31T12:00:00Z");
}

Result<std::vector<log::SourceId>> SourcesOfName(const SourceNames& names,
                                                 const std::optional<std::string>& name) {
  if (!name) return std::vector<log::SourceId>{};
  std::vector<log::SourceId> ids = names.IdsOf(*name);
  if (!ids.empty()) return ids;
  return Fail(ErrorCode::kInvalid, "source", "source names no source that there is");
}

}  // namespace tributary::control
