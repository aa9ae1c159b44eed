#include "dedupe/instruments.h"

namespace tributary::dedupe {
namespace {
constexpr const char* kClosed = "tributary_dedupe_window_closed_total";
constexpr const char* kClosedHelp = "Index runs that left the dedupe window, by what closed it.";
}  // namespace

Instruments::Instruments(metrics::Registry& registry)
    : events(registry.AddCounter("tributary_dedupe_events_total",
                                 "Events with a message id decided.")),
      duplicates(registry.AddCounter("tributary_dedupe_duplicates_total",
                                     "Events that repeat an earlier one of the same source.")),
      skipped(registry.AddCounter("tributary_dedupe_skipped_total",
                                  "Records that retention took before they were decided.")),
      rebuilt(registry.AddCounter("tributary_dedupe_rebuilt_total",
                                  "Damaged or missing index and verdict files made again.")),
      runs_searched(registry.AddCounter("tributary_dedupe_runs_searched_total",
                                        "Index runs that a filter could not rule out.")),
      runs_found(registry.AddCounter("tributary_dedupe_runs_found_total",
                                     "Index runs searched that had the id.")),
      closed_by_age(registry.AddCounter(kClosed, kClosedHelp, {{"by", "age"}})),
      closed_by_ids(registry.AddCounter(kClosed, kClosedHelp, {{"by", "ids"}})),
      registry_(registry) {
  gauges_.push_back(registry.AddGauge("tributary_dedupe_window_seconds",
                                      "How far back a repeat is recognised now.", {},
                                      [this] { return window_s.load(); }));
  gauges_.push_back(registry.AddGauge("tributary_dedupe_filter_bytes",
                                      "Memory of the message-id filters.", {},
                                      [this] { return filter_bytes.load(); }));
  gauges_.push_back(
      registry.AddGauge("tributary_dedupe_window_closed_by_ids",
                        "1 when max_ids closes the window before its time does, else 0.", {},
                        [this] { return ids_close_first.load() ? 1.0 : 0.0; }));
}

Instruments::~Instruments() {
  for (const std::uint64_t id : gauges_) registry_.RemoveGauge(id);
}

}  // namespace tributary::dedupe
