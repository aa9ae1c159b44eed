#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>

#include "config/json_text.h"

namespace tributary::config {
namespace {

using nlohmann::json;

constexpr long long kExponentMax = 1'000'000;

// digits × 10^exponent, without zeros at either end.
struct Magnitude {
  std::string digits;
  long long exponent = 0;
  friend bool operator==(const Magnitude&, const Magnitude&) = default;
};

Magnitude MagnitudeOf(std::string_view number) {
  Magnitude found;
  const std::size_t e = std::min(number.find_first_of("eE"), number.size());
  bool fraction = false;
  for (const char c : number.substr(0, e)) {
    if (c == '.') fraction = true;
    if (c < '0' || c > '9') continue;
    found.digits += c;
    if (fraction) --found.exponent;
  }
  if (e < number.size()) {
    std::string_view text = number.substr(e + 1);
    if (text.starts_with('+')) text.remove_prefix(1);
    long long exponent = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), exponent);
    if (read.ec != std::errc()) exponent = kExponentMax;
    found.exponent += exponent;
  }
  found.digits.erase(0, std::min(found.digits.find_first_not_of('0'), found.digits.size()));
  while (found.digits.ends_with('0')) {
    found.digits.pop_back();
    ++found.exponent;
  }
  if (found.digits.empty()) found.exponent = 0;
  return found;
}

bool IsKept(double value, std::string_view written) {
  std::array<char, 32> text{};
  const auto shortest =
      std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::scientific);
  return MagnitudeOf(written) ==
         MagnitudeOf({text.data(), static_cast<std::size_t>(shortest.ptr - text.data())});
}

// Stops at the first number that does not survive.
class Numbers final : public json::json_sax_t {
 public:
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t value, const string_t& written) override {
    if (IsKept(value, written)) return true;
    changed_ = written;
    return false;
  }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return ++depth_ > 0; }
  bool end_object() override { return depth_-- > 0; }
  bool start_array(std::size_t) override { return true; }
  bool end_array() override { return true; }
  bool key(string_t& name) override {
    if (depth_ == 1) field_ = name;
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const json::exception&) override {
    return false;
  }

  const std::string& changed() const { return changed_; }
  const std::string& field() const { return field_; }

 private:
  int depth_ = 0;
  std::string field_;
  std::string changed_;
};

}  // namespace

Status CheckNumbersAreKept(std::string_view text) {
  constexpr std::size_t kShown = 60;
  Numbers numbers;
  static_cast<void>(json::sax_parse(text, &numbers));
  if (numbers.changed().empty()) return {};
  return Fail(ErrorCode::kInvalid, numbers.field(),
              numbers.field() + " has the number " + numbers.changed().substr(0, kShown) +
                  ", which has more digits than can be kept; write it as a text");
}

}  // namespace tributary::config
