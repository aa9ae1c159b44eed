// The query string of a control request, read strictly: a parameter that nobody knows is a slip of
// the pen and is refused with a suggestion, not ignored.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "http/message.h"

namespace tributary::control {

// kInvalid names a parameter that is not among `known`, given twice, or badly encoded.
Status CheckQuery(std::string_view query, const std::vector<std::string>& known);

struct PageRequest {
  std::size_t limit = 0;
  std::string cursor;  // empty: from the beginning
};
// `limit` and `cursor`, besides the parameters of `others`.
Result<PageRequest> ReadPage(std::string_view query, std::vector<std::string> others = {});

// {"data":[…],"next_cursor":null|"…"}; `entries` are JSON texts.
std::string PageText(const std::vector<std::string>& entries, const std::string* next_cursor);

// A JSON string literal of any bytes; what is no UTF-8 is replaced.
std::string JsonString(std::string_view text);

}  // namespace tributary::control
