#include "control/query.h"

#include <charconv>
#include <nlohmann/json.hpp>
#include <set>

#include "config/option.h"
#include "control/control.h"

namespace tributary::control {
namespace {

Status CheckName(std::string_view raw, const std::vector<std::string>& known,
                 std::set<std::string>& seen) {
  bool ok = false;
  const std::string name = http::PercentDecode(raw, true, ok);
  if (!ok) return Fail(ErrorCode::kInvalid, "the query has a broken percent encoding");
  if (std::ranges::find(known, name) == known.end()) {
    const std::string guess = config::Suggestion(name, known);
    return WrongField(name,
                      "is not a known parameter" +
                          (guess.empty() ? std::string() : "; did you mean '" + guess + "'?"));
  }
  return seen.insert(name).second ? Status() : WrongField(name, "is given twice");
}

}  // namespace

Status CheckQuery(std::string_view query, const std::vector<std::string>& known) {
  std::set<std::string> seen;
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(pair.size() + 1, query.size()));
    if (pair.empty()) continue;
    const std::string_view name = pair.substr(0, pair.find('='));
    TRY(CheckName(name, known, seen));
    bool ok = false;
    http::PercentDecode(pair.substr(name.size()), true, ok);
    if (!ok) return WrongField(name, "has a broken percent encoding");
  }
  return {};
}

Result<PageRequest> ReadPage(std::string_view query, std::vector<std::string> others) {
  others.emplace_back("limit");
  others.emplace_back("cursor");
  TRY(CheckQuery(query, others));
  PageRequest page{.limit = kPageEntriesDefault, .cursor = {}};
  http::QueryParameter(query, "cursor", page.cursor);
  std::string limit;
  if (http::QueryParameter(query, "limit", limit)) {
    const auto [end, error] =
        std::from_chars(limit.data(), limit.data() + limit.size(), page.limit);
    const bool whole = error == std::errc() && end == limit.data() + limit.size();
    if (!whole || page.limit < 1 || page.limit > kPageEntriesMax) {
      return WrongField("limit", "must be from 1 to " + std::to_string(kPageEntriesMax));
    }
  }
  return page;
}

std::string PageText(const std::vector<std::string>& entries, const std::string* next_cursor) {
  std::string out = "{\"data\":[";
  for (std::size_t i = 0; i < entries.size(); ++i) out += (i == 0 ? "" : ",") + entries[i];
  return out + "],\"next_cursor\":" + (next_cursor ? JsonString(*next_cursor) : "null") + "}";
}

std::string JsonString(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace tributary::control
