// The configuration's reference page and the commented default file, both made from the
// declarations, so that they can neither forget an option nor show a wrong default.
#pragma once

#include <string>
#include <vector>

#include "config/option.h"

namespace tributary::config {

// A table of options with their types, defaults and meaning, and one table more for each group.
// `path` is put before the names of groups below ("retention").
std::string OptionsAsMarkdown(const std::vector<OptionSpec>& specs, const std::string& path);

// docs/guides/configuration.md, whole.
std::string ConfigurationPage();

// config/tributary.yaml: every option at its default, with its meaning in a comment above. Loading
// it is the same as loading nothing.
std::string DefaultYaml();

}  // namespace tributary::config
