// Unit tests of filters, patterns and mappings, written in YAML (docs/guides/testing-filters.md).
// `tributary test` reads and prints; this judges.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "config/option_list.h"
#include "deliver/dry_run.h"
#include "os/random.h"

namespace tributary::cli {

inline constexpr std::size_t kFilterTestsMax = 10'000;

struct FilterTestExpect {
  bool matched = true;
  std::string filtered_by;  // empty: whatever it was
  config::JsonText body;    // empty: whatever it is
  std::string error;        // a part of it; empty: there must be none
  static void Describe(config::OptionList<FilterTestExpect>& o);
};

struct FilterTestCase {
  std::string name;
  config::JsonText destination;  // a name, or the fields of one
  std::string source;
  bool historical = false;
  config::JsonText event;
  FilterTestExpect expect;
  static void Describe(config::OptionList<FilterTestCase>& o);
};

struct FilterTestFile {
  std::string config;  // beside the file
  std::vector<FilterTestCase> cases;
  static void Describe(config::OptionList<FilterTestFile>& o);
};

struct FilterTestVerdict {
  std::string name;
  std::vector<std::string> problems;  // none: passed; one sentence or a diff each
  std::string got;                    // the dry run as JSON; "" when it could not be made
  bool passed() const { return problems.empty(); }
};

// What the tests stand on.
struct FilterTestWorld {
  // The JSON of the destination of that name; nullptr result when there is none.
  std::function<std::optional<std::string>(std::string_view name)> declared;
  const deliver::MatcherFactory* matchers = nullptr;
  deliver::Programs* programs = nullptr;
  deliver::AskProgram ask;
  std::function<std::optional<log::SourceId>(std::string_view name)> find_source;
  os::Random* random = nullptr;
};

// An error says that the case itself is wrong; its field is below the case.
Result<FilterTestVerdict> RunFilterTest(const FilterTestCase& test, const FilterTestWorld& world);

}  // namespace tributary::cli
