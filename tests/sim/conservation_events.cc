#include "sim/conservation_events.h"

namespace tributary::deliver::conserve {
namespace {

constexpr std::string_view kJoinBegin = "if first((";
constexpr std::string_view kJoinMiddle = "\n)) then first((";
constexpr std::string_view kJoinEnd = "\n)) else false end";
constexpr std::string_view kSerial = "\"n\":";

Result<std::string> RunCondition(std::string_view text, const std::string& event) {
  if (text.starts_with(kJoinBegin) && text.ends_with(kJoinEnd)) {
    const std::size_t middle = text.find(kJoinMiddle);
    const auto first = text.substr(kJoinBegin.size(), middle - kJoinBegin.size());
    auto second = text.substr(middle + kJoinMiddle.size());
    second.remove_suffix(kJoinEnd.size());
    Result<std::string> answer = RunCondition(first, event);
    const bool decided = !answer || *answer != "true";
    return decided ? answer : RunCondition(second, event);
  }
  if (event.find(kBreaks) != std::string::npos) {
    return Fail(ErrorCode::kInvalid, "Cannot index number");
  }
  const std::string_view mark = text.substr(text.find(' ') + 1);
  return std::string(event.find(mark) != std::string::npos ? "true" : "false");
}

}  // namespace

Event MakeEvent(Chance& chance, std::uint64_t serial) {
  static const char* const kNames[] = {"A", "B", "C"};
  static const char* const kKeys[] = {"k0", "k1", "k2", "k3", "k4", "k5"};
  Event event{.serial = serial,
              .name = kNames[chance.Pick(3)],
              .key = kKeys[chance.Pick(6)],
              .duplicate = chance.Percent(10)};
  event.payload = "{" + std::string(kSerial) + std::to_string(serial) + ",\"marks\":\"";
  for (const auto& [mark, percent] : {std::pair{kNative, 70U},
                                      {kWanted, 65U},
                                      {kOther, 60U},
                                      {kBreaks, 4U},
                                      {kUnmapped, 6U},
                                      {kPoisonous, 6U}}) {
    if (chance.Percent(percent)) event.payload += mark;
  }
  event.payload += "\"}";
  return event;
}

std::vector<std::uint64_t> SerialsIn(std::string_view body) {
  std::vector<std::uint64_t> serials;
  for (std::size_t at = body.find(kSerial); at != std::string_view::npos;
       at = body.find(kSerial, at)) {
    at += kSerial.size();
    std::uint64_t serial = 0;
    while (at < body.size() && body[at] >= '0' && body[at] <= '9') {
      serial = serial * 10 + static_cast<std::uint64_t>(body[at++] - '0');
    }
    serials.push_back(serial);
  }
  return serials;
}

Result<std::string> RunProgram(const std::string& text, const std::string& event) {
  const bool strict = text.starts_with("strict ");
  if (!strict && !text.starts_with("map ")) return RunCondition(text, event);
  if (strict && event.find(kUnmapped) != std::string::npos) {
    return Fail(ErrorCode::kInvalid, "Cannot iterate over null");
  }
  return R"({"by":")" + text + R"(","event":)" + event + "}";
}

std::optional<bool> Judge(const std::string& filter, const Event& event) {
  if (filter.empty()) return true;
  const auto answer = RunCondition(filter, event.payload);
  if (!answer) return std::nullopt;
  return *answer == "true";
}

}  // namespace tributary::deliver::conserve
