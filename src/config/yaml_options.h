// YAML files of ours other than the configuration: read by declared options too, and wrong in the
// same words, with line and column.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "config/loader.h"
#include "config/option_list.h"

namespace tributary::config {

// Reads into `target`, which has its defaults; half changed on failure. `environment`: as in the
// configuration, nullptr leaves ${NAME} alone.
std::expected<PlaceProblem, Problems> ReadYaml(const std::string& file_name, std::string_view text,
                                               const std::vector<OptionSpec>& specs,
                                               const Environment* environment, void* target);

}  // namespace tributary::config
