#include "cli/delivery_columns.h"

#include <nlohmann/json.hpp>

#include "cli/api_command.h"

namespace tributary::cli {

using nlohmann::ordered_json;

std::string AttemptsCell(const ordered_json& delivery) {
  std::string total = Cell(delivery, "attempts_total");
  if (!total.empty()) return total;
  const auto attempts = delivery.find("attempts");
  const bool list = attempts != delivery.end() && attempts->is_array();
  return list ? std::to_string(attempts->size()) : Cell(delivery, "attempts");
}

std::string LastAttemptCell(const ordered_json& delivery) {
  const auto attempts = delivery.find("attempts");
  if (attempts == delivery.end() || !attempts->is_array()) return {};
  const ordered_json* last = nullptr;
  for (const auto& attempt : *attempts) {
    if (last == nullptr || Cell(attempt, "at") >= Cell(*last, "at")) last = &attempt;
  }
  if (last == nullptr) return {};
  const std::string error = Cell(*last, "error");
  return error.empty() ? Cell(*last, "status") : error;
}

std::string ReasonCell(const ordered_json& delivery) {
  const std::string reason = Cell(delivery, "reason");
  return reason.empty() ? Cell(delivery, "rule") : reason;
}

}  // namespace tributary::cli
