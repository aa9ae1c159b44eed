// `concurrency=3 retry.schedule='["0s","5s"]' url=https://…` as the JSON object of a change.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace tributary::cli {

// Each is NAME=VALUE; a dot in the name goes into an object. A value that is JSON is taken as such,
// any other as a text. WrongUsage names the one that is no assignment.
Result<std::string> ObjectOf(const std::vector<std::string>& assignments);

}  // namespace tributary::cli
