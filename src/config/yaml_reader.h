// YAML text to JSON, guided by the declared options, with the place of everything remembered.
// Inside config/ only.
//
// The declarations decide how a scalar is read, not its looks: a text option takes `write_key: 123`
// as "123". Where nothing is declared (inside a destination) quotes and YAML's core schema decide.
#pragma once

#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/loader.h"

namespace tributary::config::internal {

inline constexpr std::size_t kYamlNodesMax = 100'000;  // after aliases were followed
inline constexpr int kYamlDepthMax = 32;

struct Place {
  std::string origin;  // the file's name, or "environment variable X"
  int line = 0;        // from 1; 0: nowhere in particular
  int column = 0;
};

struct YamlDocument {
  nlohmann::json value = nlohmann::json::object();
  std::map<std::string, Place, std::less<>> places;  // by path: "retry.schedule[1]"
  std::vector<Problem> problems;                     // syntax, repeated keys, unset variables
  // Where `path` is, or the nearest thing around it that is somewhere.
  Place Find(std::string_view path) const;
};

using MayExpand = std::function<bool(std::string_view name)>;  // empty: any

class YamlReader {
 public:
  // `environment`: what ${NAME} stands for; nullptr leaves such text alone.
  YamlReader(std::string origin, const Environment* environment, MayExpand may_expand = nullptr)
      : origin_(std::move(origin)), environment_(environment), may_expand_(std::move(may_expand)) {}
  YamlDocument ReadDocument(std::string_view text, const std::vector<OptionSpec>& specs);
  // One value as it would stand after `path:`, merged into `document`.
  void ReadValue(std::string_view text, const OptionSpec& spec, const std::string& path,
                 YamlDocument& document, nlohmann::json& out);

 private:
  class Walk;
  std::string origin_;
  const Environment* environment_;
  const MayExpand may_expand_;
};

// What a scalar's text is as JSON. `plain`: it stood without quotes, so that its looks may choose a
// type where nothing is declared (`spec` nullptr).
nlohmann::json ScalarValue(const std::string& text, const OptionSpec* spec, bool plain);

// Replaces each ${NAME}; `$${` stands for "${". The error's field is the name that is missing, or
// that may not be used.
Result<std::string> ExpandVariables(std::string_view text, const Environment& environment,
                                    const MayExpand& may_expand = nullptr);

}  // namespace tributary::config::internal
