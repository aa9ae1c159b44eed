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

std::string AttemptsText(const deliver::DeliveryLogReport& report) {
  std::string out;
  for (const deliver::DeliveryLogDamage& d : report.damage) {
    out += EscapeLine("damage: delivery log, " + d.file + " at byte " + std::to_string(d.position) +
                      ": " + d.what) +
           "\n";
  }
  out += "delivery log: " + Count(report.files, "file") + ", " + Count(report.attempts, "attempt") +
         ", " + Count(report.bytes, "byte") + ": ";
  if (report.damage.empty()) return out + "no damage\n";
  return out + "damaged in " + Count(report.damage.size(), "place") + "\n";
}

std::string Summary(const std::string& what, const std::string& files, std::uint64_t bytes,
                    std::size_t damaged) {
  const std::string found = damaged == 0 ? "no damage" : "damaged in " + Count(damaged, "place");
  return what + ": " + files + ", " + Count(bytes, "byte") + ": " + found + "\n";
}

std::string DedupeText(const dedupe::DedupeReport& report) {
  std::string out;
  for (const dedupe::DedupeDamage& d : report.damage) {
    out += EscapeLine("damage: dedupe, " + d.file + ": " + d.what +
                      " (the server makes it again from the log)") +
           "\n";
  }
  if (report.files == 0 && report.damage.empty()) return out;
  return out + Summary("dedupe", Count(report.files, "file"), report.bytes, report.damage.size());
}

std::string StoreText(const store::StoreReport& report) {
  std::string out;
  for (const store::StoreDamage& d : report.damage) {
    const std::string file = d.file.empty() ? "store" : "store, " + d.file;
    out += EscapeLine("damage: " + file + ": " + d.what) + "\n";
  }
  if (report.tables == 0 && report.damage.empty()) return out;
  return out + Summary("store", Count(report.tables, "table"), report.bytes, report.damage.size());
}

template <class Damages>
nlohmann::ordered_json FilesJson(std::uint64_t files, std::uint64_t bytes, const Damages& damages) {
  nlohmann::ordered_json damage = nlohmann::ordered_json::array();
  for (const auto& d : damages) damage.push_back({{"file", d.file}, {"what", d.what}});
  return {{"files", files}, {"bytes", bytes}, {"damage", std::move(damage)}};
}

std::string StoreWord(const DirectoryReport& report) {
  if (report.store_missing) return "missing";
  return report.store.damage.empty() ? "present" : "damaged";
}

}  // namespace

std::string VerifyText(const DirectoryReport& report) {
  std::string out = VerifyText(report.log) + AttemptsText(report.attempts) +
                    DedupeText(report.dedupe) + StoreText(report.store);
  if (report.store_missing) {
    out += "damage: the store is missing: destinations, sources, outcomes and dead letters\n";
  }
  return out;
}

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

std::string VerifyJson(const DirectoryReport& directory) {
  const log::VerifyReport& report = directory.log;
  const deliver::DeliveryLogReport& attempts = directory.attempts;
  nlohmann::ordered_json damage = nlohmann::ordered_json::array();
  for (const log::Damage& d : report.damage) {
    damage.push_back({{"partition", d.partition},
                      {"segment", d.segment},
                      {"position", d.position},
                      {"first", d.first},
                      {"end", d.end},
                      {"what", d.what}});
  }
  nlohmann::ordered_json torn = nlohmann::ordered_json::array();
  for (const deliver::DeliveryLogDamage& d : attempts.damage) {
    torn.push_back({{"file", d.file}, {"position", d.position}, {"what", d.what}});
  }
  const nlohmann::ordered_json whole = {
      {"ok", directory.ok()},
      {"segments", report.segments},
      {"records", report.records},
      {"bytes", report.bytes},
      {"damage", damage},
      {"store", StoreWord(directory)},
      {"store_tables",
       FilesJson(directory.store.tables, directory.store.bytes, directory.store.damage)},
      {"dedupe",
       FilesJson(directory.dedupe.files, directory.dedupe.bytes, directory.dedupe.damage)},
      {"delivery_log",
       {{"files", attempts.files},
        {"attempts", attempts.attempts},
        {"bytes", attempts.bytes},
        {"damage", torn}}}};
  return whole.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace tributary::cli
