// How tables show a delivery's attempts. Pure functions.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace tributary::cli {

// How many there were.
std::string AttemptsCell(const nlohmann::ordered_json& delivery);
// The newest one's status, or why it had none.
std::string LastAttemptCell(const nlohmann::ordered_json& delivery);

// Why it was given up, or the rule that dropped it.
std::string ReasonCell(const nlohmann::ordered_json& delivery);

}  // namespace tributary::cli
