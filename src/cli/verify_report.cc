#include "cli/verify_report.h"

#include <nlohmann/json.hpp>

#include "cli/escape.h"

namespace tributary::cli {
namespace {

std::string Count(std::uint64_t n, const std::string& one) {
  return std::to_string(n) + " " + one + (n == 1 ? "" : "s");
}

std::uint64_t Lost(const log::Damage& d) {
  return d.end > d.first ? d.end - d.first : 0;
}

std::string LostText(const log::Damage& d) {
  if (Lost(d) == 0) return "no record lost";
  if (Lost(d) == 1) return "offset " + std::to_string(d.first) + " lost";
  return "offsets " + std::to_string(d.first) + " to " + std::to_string(d.end - 1) + " lost";
}

std::string DamageText(const log::Damage& d) {
  return "damage: partition " + std::to_string(d.partition) + ", " + d.segment + " at byte " +
         std::to_string(d.position) + ", " + LostText(d) + ": " + d.what;
}

}  // namespace

std::string VerifyText(const log::VerifyReport& report) {
  std::string out;
  std::uint64_t lost = 0;
  for (const log::Damage& d : report.damage) {
    out += EscapeLine(DamageText(d)) + "\n";
    lost += Lost(d);
  }
  out += Count(report.segments, "segment") + ", " + Count(report.records, "record") + ", " +
         Count(report.bytes, "byte") + ": ";
  if (report.damage.empty()) return out + "no damage\n";
  const std::string places = report.damage.size() == 1 ? "place" : "places";
  return out + "damaged in " + std::to_string(report.damage.size()) + " " + places + ", " +
         Count(lost, "record") + " lost\n";
}

std::string VerifyJson(const log::VerifyReport& report) {
  nlohmann::ordered_json damage = nlohmann::ordered_json::array();
  for (const log::Damage& d : report.damage) {
    damage.push_back({{"partition", d.partition},
                      {"segment", d.segment},
                      {"position", d.position},
                      {"first", d.first},
                      {"end", d.end},
                      {"what", d.what}});
  }
  const nlohmann::ordered_json whole = {{"ok", report.damage.empty()},
                                        {"segments", report.segments},
                                        {"records", report.records},
                                        {"bytes", report.bytes},
                                        {"damage", damage}};
  return whole.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace tributary::cli
