#include "config/json_text.h"

#include <nlohmann/json.hpp>
#include <set>

namespace tributary::config {
namespace {

using nlohmann::json;

// Watches the parser's events for what the library itself lets pass.
class Watch {
 public:
  explicit Watch(int depth_max) : depth_max_(depth_max) {}

  // Keeping nothing after the first fault makes the rest of the text cheap.
  bool operator()(int depth, json::parse_event_t event, json& parsed) {
    if (!fault_.empty()) return false;
    switch (event) {
      case json::parse_event_t::object_start:
        keys_.emplace_back();
        [[fallthrough]];
      case json::parse_event_t::array_start:
        if (depth >= depth_max_) {
          fault_ = "is nested deeper than " + std::to_string(depth_max_) + " levels";
        }
        break;
      case json::parse_event_t::key:
        NoteKey(parsed.get_ref<const std::string&>());
        break;
      case json::parse_event_t::object_end:
        keys_.pop_back();
        break;
      default:
        break;
    }
    return fault_.empty();
  }
  const std::string& fault() const { return fault_; }

 private:
  void NoteKey(const std::string& key) {
    if (!keys_.back().insert(key).second) fault_ = "names '" + key + "' twice in one object";
  }

  int depth_max_;
  std::vector<std::set<std::string>> keys_;
  std::string fault_;
};

std::string PlaceOfByte(std::string_view text, std::size_t byte) {
  const std::string_view before = text.substr(0, std::min(byte == 0 ? 0 : byte - 1, text.size()));
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const std::size_t line_start = before.rfind('\n') + 1;  // npos + 1 is 0
  return "line " + std::to_string(line) + ", column " +
         std::to_string(before.size() - line_start + 1);
}

}  // namespace

Result<json> ParseJson(std::string_view text, std::size_t bytes_max, int depth_max) {
  if (text.size() > bytes_max) {
    return Fail(ErrorCode::kTooLarge,
                "the text is longer than " + std::to_string(bytes_max) + " bytes");
  }
  Watch watch(depth_max);
  try {
    json value = json::parse(text, std::ref(watch));
    if (!watch.fault().empty()) return Fail(ErrorCode::kInvalid, "the JSON text " + watch.fault());
    return value;
  } catch (const json::parse_error& e) {
    return Fail(ErrorCode::kInvalid, "not valid JSON at " + PlaceOfByte(text, e.byte));
  } catch (const json::exception&) {  // a number past the range of a double
    return Fail(ErrorCode::kInvalid, "the JSON text has a number that is out of range");
  }
}

std::string DumpText(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string DumpOrderedText(const nlohmann::ordered_json& value) {
  return value.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace tributary::config
