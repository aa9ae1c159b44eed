#pragma once

// What a sender measured, as the fields of a JSON object on standard output. Thread: main.

#include <sys/resource.h>

#include <cstdio>
#include <string>

#include "bench/support/histogram.h"
#include "bench/support/sender.h"

namespace tributary::bench {

// Processor time of this process since it began, seconds.
inline double CpuSeconds() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

inline void PrintLatency(const char* name, const Histogram& latency) {
  std::printf(
      "\"%s\":{\"count\":%lu,\"p50_us\":%.1f,\"p95_us\":%.1f,\"p99_us\":%.1f,"
      "\"max_us\":%.1f}",
      name, latency.count(), latency.QuantileUs(0.5), latency.QuantileUs(0.95),
      latency.QuantileUs(0.99), latency.MaxUs());
}

// Everything that was not exactly the success answer.
inline void PrintFailures(const SendResults& results) {
  std::printf("\"other_statuses\":{");
  const char* comma = "";
  for (const auto& [status, count] : results.other_statuses) {
    std::printf("%s\"%d\":%lu", comma, status, count);
    comma = ",";
  }
  std::printf("},\"wrong_bodies\":%lu,\"broken_answers\":%lu,\"disconnects\":%lu",
              results.wrong_bodies, results.broken_answers, results.disconnects);
}

}  // namespace tributary::bench
