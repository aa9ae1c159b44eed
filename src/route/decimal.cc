#include "route/decimal.h"

#include <algorithm>
#include <charconv>

#include "base/ascii.h"
#include "event/json_document.h"

namespace tributary::route {
namespace {

constexpr long long kExponentMax = 1'000'000'000;
// So many digits survive the way through a double whatever they are (DBL_DIG), as long as the
// exponent is far from the ends of its range.
constexpr std::size_t kSafeDigits = 15;
constexpr long long kSafeExponent = 290;

struct Parts {
  bool negative = false;
  std::string_view whole;
  std::string_view fraction;
  long long exponent = 0;
};

long long ExponentOf(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  long long value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (read.ec == std::errc::result_out_of_range)
    value = text[0] == '-' ? -kExponentMax : kExponentMax;
  return std::clamp(value, -kExponentMax, kExponentMax);
}

Parts Split(std::string_view number) {
  Parts parts;
  if (number.starts_with('-')) {
    parts.negative = true;
    number.remove_prefix(1);
  }
  const std::size_t e = number.find_first_of("eE");
  if (e != std::string_view::npos) {
    parts.exponent = ExponentOf(number.substr(e + 1));
    number = number.substr(0, e);
  }
  const std::size_t dot = number.find('.');
  parts.whole = number.substr(0, dot);
  if (dot != std::string_view::npos) parts.fraction = number.substr(dot + 1);
  return parts;
}

bool KeepsItsValue(std::string_view number) {
  const Parts parts = Split(number);
  if (parts.whole.size() + parts.fraction.size() <= kSafeDigits &&
      std::abs(parts.exponent) < kSafeExponent) {
    return true;
  }
  double value = 0;
  const auto read = std::from_chars(number.data(), number.data() + number.size(), value);
  if (read.ec != std::errc()) return Decimal(number) == Decimal("0");
  // The shortest text that means this double is what jq prints.
  char text[32];
  const auto written =
      std::to_chars(text, text + sizeof text, value, std::chars_format::scientific);
  return Decimal(number) == Decimal({text, static_cast<std::size_t>(written.ptr - text)});
}

// Just behind the string that begins at `at`.
std::size_t SkipString(std::string_view text, std::size_t at) {
  for (++at; at < text.size(); ++at) {
    at = text.find_first_of("\"\\", at);
    if (at == std::string_view::npos) return text.size();
    if (text[at] == '"') return at + 1;
    ++at;
  }
  return text.size();
}

bool FindPath(const event::JsonValue& value, const char* wanted, std::string& path) {
  const std::size_t before = path.size();
  if (value.is(event::JsonType::kObject)) {
    std::string scratch;
    for (const event::JsonField field : value.fields()) {
      path.append(before == 0 ? "" : ".").append(field.Key(scratch));
      if (FindPath(field.value(), wanted, path)) return true;
      path.resize(before);
    }
  } else if (value.is(event::JsonType::kArray)) {
    std::size_t i = 0;
    for (const event::JsonValue element : value.elements()) {
      path += "[" + std::to_string(i++) + "]";
      if (FindPath(element, wanted, path)) return true;
      path.resize(before);
    }
  } else {
    return value.raw().data() == wanted;
  }
  return false;
}

}  // namespace

std::string PathOfNumber(std::string_view json_text, std::string_view number) {
  event::JsonDocument document;
  const auto value = document.Parse(json_text);
  std::string path;
  if (!value || !FindPath(*value, number.data(), path)) return {};
  return path;
}

Decimal::Decimal(std::string_view json_number) {
  const Parts parts = Split(json_number);
  negative_ = parts.negative;
  digits_.reserve(parts.whole.size() + parts.fraction.size());
  digits_.append(parts.whole).append(parts.fraction);
  digits_.erase(0, std::min(digits_.find_first_not_of('0'), digits_.size()));
  exponent_ = parts.exponent - static_cast<long long>(parts.fraction.size());
  while (!digits_.empty() && digits_.back() == '0') {
    digits_.pop_back();
    ++exponent_;
  }
  if (digits_.empty()) {
    negative_ = false;
    exponent_ = 0;
  }
}

std::strong_ordering Decimal::operator<=>(const Decimal& other) const {
  if (sign() != other.sign()) return sign() <=> other.sign();
  if (sign() == 0) return std::strong_ordering::equal;
  const auto size = static_cast<long long>(digits_.size()) + exponent_;
  const auto other_size = static_cast<long long>(other.digits_.size()) + other.exponent_;
  std::strong_ordering absolute = size <=> other_size;
  // Both begin with a digit that is not zero, so they compare like texts.
  if (absolute == 0) absolute = digits_.compare(other.digits_) <=> 0;
  return negative_ ? 0 <=> absolute : absolute;
}

std::optional<std::string_view> FirstInexactNumber(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const char c = text[at];
    if (c == '"') {
      at = SkipString(text, at);
    } else if (IsAsciiDigit(c) || c == '-') {
      const std::size_t end = std::min(text.find_first_not_of("0123456789+-.eE", at), text.size());
      const std::string_view number = text.substr(at, end - at);
      if (!KeepsItsValue(number)) return number;
      at = end;
    } else {
      ++at;
    }
  }
  return std::nullopt;
}

}  // namespace tributary::route
