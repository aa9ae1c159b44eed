#pragma once

// Makes Segment `track` events as a browser's analytics.js sends them: varied names, people, pages,
// campaigns, properties and products, from a seed. Their size averages kEventBytes, the figure
// every row of the results is for; single events vary from about 600 to 1,200 bytes. Thread: one.

#include <string>
#include <vector>

#include "bench/support/random.h"

namespace tributary::bench {

constexpr size_t kEventBytes = 843;

// One event, and where in it the parts stand that differ each time it is sent.
struct EventTemplate {
  std::string json;
  size_t message_id_at = 0;  // kUuidBytes long
  size_t timestamp_at = 0;   // WallStamp::kBytes long
  size_t sent_at_at = 0;  // the same; 0 when the event has no sentAt (in a batch the envelope has)
};

enum class SentAt { kInEvent, kInEnvelope };

// `count` different events whose mean size is within one byte of kEventBytes.
std::vector<EventTemplate> MakeEvents(size_t count, SentAt sent_at, Random& random);

}  // namespace tributary::bench
