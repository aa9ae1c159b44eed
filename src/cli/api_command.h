// What the commands that talk to a server have in common: how they connect, complain and print.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "cli/api.h"
#include "cli/registry.h"

namespace tributary::cli {

// A member of an object as people read it: texts without quotes, "" for what is absent or null.
std::string Cell(const nlohmann::ordered_json& object, std::string_view name);

// A member that is a whole number of at least 0; 0 for anything else.
std::uint64_t NumberCell(const nlohmann::ordered_json& object, const char* name);

inline constexpr int kListEntriesMax = 1'000'000;
inline constexpr MonoNanos kProgressPollNs =
    200 * kNanosPerMilli;  // between two looks at long work

// JSON as it came, with line breaks.
std::string Pretty(const std::string& body);

// The entries as one JSON array.
std::string ListJson(const std::vector<std::string>& entries);

struct Column {
  const char* heading;
  const char* field;                                                               // its member
  std::function<std::string(const nlohmann::ordered_json& entry)> read = nullptr;  // or this
};
std::string ListText(const std::vector<std::string>& entries, const std::vector<Column>& columns);

// Every member of an object on a line of its own.
std::string FieldsText(const std::string& body);

class ApiCommand : public Command {
 protected:
  // What is printed, or what was wrong.
  using Work = std::function<Result<std::string>(Context& context, Api& api)>;
  // Connects, works, prints.
  Arguments::Action Calls(Work work);
  template <class C>
  Arguments::Action Calls(Result<std::string> (C::*method)(Context&, Api&)) {
    return Calls([this, method](Context& context, Api& api) {
      return (static_cast<C*>(this)->*method)(context, api);
    });
  }

  Result<std::string> GetPretty(Api& api, const std::string& path) const;
  // JSON with --json, else the sentence.
  std::string Said(const std::string& body, const std::string& sentence) const;
  Result<std::string> ListOf(Api& api, const std::string& path, std::size_t entries_max,
                             const std::vector<Column>& columns) const;
  static Result<std::string> Post(Api& api, const std::string& path, std::string body = {});

  ApiOptions options_;
  int exit_code_ = kExitFine;  // once the text is printed
};

// "since=…" and the like: options that become query parameters when they are given.
struct QueryOption {
  std::string parameter;
  std::optional<std::string> value;
};
std::string PathWith(std::string path, const std::vector<QueryOption>& options);

}  // namespace tributary::cli
