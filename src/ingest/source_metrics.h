// What each source took and refused, by code. One per loop (a cache of pointers to counters that
// all loops share); that loop's thread only.
#pragma once

#include <map>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "ingest/source.h"
#include "metrics/registry.h"

namespace tributary::ingest {

class SourceMetrics {
 public:
  explicit SourceMetrics(metrics::Registry& registry) : registry_(registry) {}

  // Events that are in the intake's batch; counted once they are durable.
  void Accepted(const SourceSpec& source, std::uint64_t events, Intake& intake);
  // One event that was not taken. `code` must live for ever.
  void Rejected(const SourceSpec& source, std::string_view code);
  // A whole request that was not taken, perhaps of nobody known.
  void Refused(std::string_view code);
  // A request that is taken and thrown away on purpose, such as an SDK's report on itself.
  void Discarded(std::string_view what);

 private:
  using CodeKey = std::pair<log::SourceId, const char*>;

  metrics::Registry& registry_;
  std::unordered_map<log::SourceId, metrics::Counter*> accepted_;
  std::map<CodeKey, metrics::Counter*> rejected_;
};

}  // namespace tributary::ingest
