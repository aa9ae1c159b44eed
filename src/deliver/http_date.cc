#include "deliver/http_date.h"

#include <algorithm>
#include <array>
#include <string>

namespace tributary::deliver {
namespace {

constexpr int kFutureYearsMax = 50;

struct Parts {
  std::string_view day;  // two digits
  std::string_view month;
  std::string_view year;  // four digits
  std::string_view time;  // "08:49:37"
};

std::optional<UnixMicros> TimeOf(const Parts& parts) {
  static constexpr std::array<std::string_view, 12> kMonths{
      "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto month = std::ranges::find(kMonths, parts.month);
  if (month == kMonths.end()) return std::nullopt;
  const auto number = static_cast<int>(month - kMonths.begin()) + 1;
  std::string iso(parts.year);
  iso += (number < 10 ? "-0" : "-") + std::to_string(number) + "-";
  iso.append(parts.day).append("T").append(parts.time).append("Z");
  return ParseIso8601(iso);
}

// "Sun, 06 Nov 1994 08:49:37 GMT"
std::optional<UnixMicros> ReadFixed(std::string_view text) {
  if (text.size() != 29 || text.substr(3, 2) != ", " || !text.ends_with(" GMT")) {
    return std::nullopt;
  }
  return TimeOf({.day = text.substr(5, 2),
                 .month = text.substr(8, 3),
                 .year = text.substr(12, 4),
                 .time = text.substr(17, 8)});
}

// "Sunday, 06-Nov-94 08:49:37 GMT"
std::optional<UnixMicros> ReadRfc850(std::string_view text, UnixMicros now_us) {
  static constexpr std::array<std::string_view, 7> kDays{
      "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"};
  const std::size_t comma = text.find(", ");
  if (comma == std::string_view::npos ||
      std::ranges::find(kDays, text.substr(0, comma)) == kDays.end()) {
    return std::nullopt;
  }
  const std::string_view date = text.substr(comma + 2);
  if (date.size() != 22 || date[2] != '-' || date[6] != '-' || !date.ends_with(" GMT")) {
    return std::nullopt;
  }
  const int now_year = std::stoi(FormatIso8601(now_us).substr(0, 4));
  const auto in_century = [&](int century) {
    const std::string year = std::to_string(century) + std::string(date.substr(7, 2));
    return TimeOf({.day = date.substr(0, 2),
                   .month = date.substr(3, 3),
                   .year = year,
                   .time = date.substr(10, 8)});
  };
  for (int century = now_year / 100 + 1; century > now_year / 100 - 1; --century) {
    const auto at = in_century(century);
    if (!at) return std::nullopt;
    if (std::stoi(FormatIso8601(*at).substr(0, 4)) <= now_year + kFutureYearsMax) return at;
  }
  return in_century(now_year / 100 - 1);
}

// "Sun Nov  6 08:49:37 1994"
std::optional<UnixMicros> ReadAsctime(std::string_view text) {
  if (text.size() != 24 || text[3] != ' ' || text[7] != ' ' || text[10] != ' ' || text[19] != ' ') {
    return std::nullopt;
  }
  std::string day(text.substr(8, 2));
  if (day[0] == ' ') day[0] = '0';
  return TimeOf({.day = day,
                 .month = text.substr(4, 3),
                 .year = text.substr(20, 4),
                 .time = text.substr(11, 8)});
}

}  // namespace

std::optional<UnixMicros> ParseHttpDate(std::string_view text, UnixMicros now_us) {
  if (const auto at = ReadFixed(text)) return at;
  if (const auto at = ReadAsctime(text)) return at;
  return ReadRfc850(text, now_us);
}

}  // namespace tributary::deliver
