#include "deliver/order_key.h"

#include <algorithm>

#include "base/hash.h"
#include "event/json_text.h"

namespace tributary::deliver {
namespace {

std::unexpected<Error> Wrong(const std::string& why) {
  return Fail(ErrorCode::kInvalid, "order_by", "order_by " + why);
}

// Empty: nothing there that could be a key.
std::string TextAt(std::string_view json_text, const std::vector<std::string>& path) {
  for (const std::string& name : path) {
    if (json_text.empty() || json_text.front() != '{') return {};
    json_text = event::FindRawField(json_text, name);
  }
  if (json_text.empty()) return {};
  std::string text;
  if (event::RawStringText(json_text, text)) return text;
  const bool number =
      json_text.front() == '-' || (json_text.front() >= '0' && json_text.front() <= '9');
  return number ? std::string(json_text) : std::string();
}

}  // namespace

Result<std::vector<std::string>> ParseOrderBy(std::string_view path) {
  std::vector<std::string> names;
  if (path.empty()) return names;
  if (path.size() > kOrderByBytesMax) {
    return Wrong("must have at most " + std::to_string(kOrderByBytesMax) + " bytes");
  }
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('.', begin), path.size());
    if (end == begin) return Wrong("must be names with dots between them, such as properties.vin");
    names.emplace_back(path.substr(begin, end - begin));
    begin = end + 1;
  }
  if (names.size() > kOrderByDepthMax) {
    return Wrong("must have at most " + std::to_string(kOrderByDepthMax) + " names");
  }
  return names;
}

std::uint64_t OrderKey(const log::RecordView& record, const std::vector<std::string>& path) {
  std::uint64_t hash = 0;
  if (path.empty()) {
    hash = Hash64(record.fields.key);
  } else {
    const std::string text = TextAt(record.payload, path);
    hash = Hash64(text.empty() ? record.fields.key : text);
  }
  return hash == 0 ? 1 : hash;
}

}  // namespace tributary::deliver
