// A world whose lists of deliveries and audits are asked for.
#pragma once

#include <string>
#include <vector>

#include "deliver/audit.h"
#include "deliver/deliveries.h"
#include "deliver/sim_kit_test.h"
#include "support/durations.h"

namespace tributary::deliver {

struct HistoryWorld : DeliverWorld {
  explicit HistoryWorld(std::uint64_t seed, std::uint32_t partitions = 1)
      : DeliverWorld(seed, partitions) {}

  Deliveries::Page List(DeliveryQuery query = {}) {
    auto page = Answered<Deliveries::Page>(
        [&](auto done) { engine->deliveries().List(std::move(query), std::move(done)); });
    EXPECT_TRUE(page.has_value()) << page.error().ToString();
    return page ? *std::move(page) : Deliveries::Page{};
  }
  std::vector<DeliveryEntry> All(DeliveryQuery query = {}) {
    std::vector<DeliveryEntry> out;
    for (int pages = 0; pages < 1'000; ++pages) {
      const Deliveries::Page page = List(query);
      out.insert(out.end(), page.data.begin(), page.data.end());
      if (!page.next_cursor) return out;
      query.cursor = *page.next_cursor;
    }
    ADD_FAILURE() << "a list without an end";
    return out;
  }
  Result<DeliveryEntry> Get(const std::string& id) {
    return Answered<DeliveryEntry>(
        [&](auto done) { engine->deliveries().Get(id, std::move(done)); });
  }
  AuditReport Audited(AuditQuery query = {}) {
    auto report = Answered<AuditReport>(
        [&](auto done) { engine->audit().Run(std::move(query), std::move(done)); });
    EXPECT_TRUE(report.has_value());
    return report ? *std::move(report) : AuditReport{};
  }
  void ExpectBalanced() {
    for (const AuditLine& line : Audited().destinations) {
      EXPECT_EQ(line.problems_total, 0U)
          << line.destination << ": " << (line.problems.empty() ? "" : line.problems[0].what);
      EXPECT_EQ(line.events, line.delivered + line.filtered + line.dead_lettered + line.dropped +
                                 line.pending + line.undecided);
    }
  }
};

inline std::vector<std::string> IdsOf(const std::vector<DeliveryEntry>& entries) {
  std::vector<std::string> ids;
  for (const DeliveryEntry& entry : entries) ids.push_back(entry.pair.delivery_id);
  return ids;
}

// Offset 5 k is refused, 5 k + 1 is retried for ever, "Else" is filtered, the rest is delivered.
inline void Mixed(HistoryWorld& w, std::size_t events) {
  w.receivers.answer = [](const std::string&, const Delivery& d) {
    if (d.record->offset % 5 == 0) return Receivers::Answer{.outcome = Outcome::Reject("HTTP 400")};
    if (d.record->offset % 5 == 1) return Receivers::Answer{.outcome = Outcome::Retry("HTTP 500")};
    return Receivers::Answer{};
  };
  w.Make("hook", {{"names", {"Event"}}, {"retry", {{"schedule", {"0s", "9000s"}}}}});
  for (std::size_t i = 0; i < events; ++i) {
    w.Append(i % 3 == 2 ? "Else" : "Event", static_cast<log::Partition>(i % w.log.partitions()));
  }
  w.sim.RunFor(5 * kS);
}

}  // namespace tributary::deliver
