// Numbers of JSON as what they are: decimals of any length, compared exactly, never as doubles.
// Pure functions; any thread.
#pragma once

#include <compare>
#include <optional>
#include <string>
#include <string_view>

namespace tributary::route {

// digits × 10^exponent, without zeros at either end of the digits; zero has none. "1e2", "100" and
// "100.0" are the same.
class Decimal {
 public:
  // Of a well-formed JSON number; exponents past ±10^9 are cut to that.
  explicit Decimal(std::string_view json_number);
  friend bool operator==(const Decimal&, const Decimal&) = default;
  std::strong_ordering operator<=>(const Decimal& other) const;

 private:
  int sign() const { return digits_.empty() ? 0 : negative_ ? -1 : 1; }
  bool negative_ = false;
  std::string digits_;
  long long exponent_ = 0;  // of the last digit
};

// The first number of `json_text` (well-formed) that a double cannot hold, so that it would come
// out of jq as another one; as it is written there. nullopt: all keep their value.
std::optional<std::string_view> FirstInexactNumber(std::string_view json_text);
// Where in `json_text` this part of it stands: "properties.items[2].id"; "" when it is on top or
// cannot be said.
std::string PathOfNumber(std::string_view json_text, std::string_view number);

}  // namespace tributary::route
