// What the dedupe stage counts, declared once.
#pragma once

#include <atomic>
#include <vector>

#include "metrics/registry.h"

namespace tributary::dedupe {

struct Instruments {
  explicit Instruments(metrics::Registry& registry);
  ~Instruments();
  Instruments(const Instruments&) = delete;
  Instruments& operator=(const Instruments&) = delete;

  metrics::Counter& events;
  metrics::Counter& duplicates;
  metrics::Counter& skipped;  // records that retention took before they were decided
  metrics::Counter& rebuilt;  // damaged or missing files made again from the log
  metrics::Counter& runs_searched;
  metrics::Counter& runs_found;
  metrics::Counter& closed_by_age;
  metrics::Counter& closed_by_ids;

  // Of all partitions; written by the dedupe thread, read when scraped.
  std::atomic<double> window_s{0};
  std::atomic<double> filter_bytes{0};
  std::atomic<bool> ids_close_first{false};  // which limit closed the window last

 private:
  metrics::Registry& registry_;
  std::vector<std::uint64_t> gauges_;
};

}  // namespace tributary::dedupe
