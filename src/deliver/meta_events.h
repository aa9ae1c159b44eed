// What happens to destinations, told as records of the kind `system` in the log, so that it can be
// delivered like any event (`kind: system`).
//
// Lanes note what happened; once a second at most, what was noted becomes one record for each
// (lane, what) with a count, so that a storm of failures cannot become a storm of notices.
// A lane whose own destination takes system records notes nothing, and no dead letter or loss of an
// event that was a notice (notice.h) is noted: no loop is possible.
//
// Best effort: a notice is lost, and counted, when the log takes no records, when
// kMetaEventsWaitingMax wait already, or in a crash before it was appended. What it speaks of is
// durable elsewhere (dead letters, status, counts).
//
// Payload, after Standard Webhooks' advice:
//   {"messageId":"sys_…","type":"destination.breaker_opened","timestamp":"…",
//    "data":{"destination","destination_id","replay","count","reason","delivery_id"}}
// The record's name is the type, its source 0, its key the destination's name.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "deliver/stored.h"
#include "log/log.h"
#include "os/clock.h"
#include "os/executor.h"
#include "os/random.h"

namespace tributary::deliver {

inline constexpr std::size_t kMetaEventsWaitingMax = 10'000;
inline constexpr MonoNanos kMetaEventsEvery = kNanosPerSecond;

enum class MetaEvent : std::uint8_t {
  kBreakerOpened,
  kBreakerClosed,
  kDestinationDisabled,
  kDeadLettered,   // "event.dead_lettered"
  kRetentionLoss,  // "event.retention_lost"
};
std::string_view MetaEventType(MetaEvent what);

// Whom a notice is about.
struct MetaSubject {
  LaneId lane = 0;
  DestinationId destination = 0;
  std::string_view name;    // of the destination
  std::string_view replay;  // "": the live lane
};

class MetaEvents {
 public:
  virtual ~MetaEvents() = default;
  // Any thread; never blocks. `delivery_id`: of the pair concerned, where there is one.
  virtual void Note(MetaEvent what, const MetaSubject& subject, std::string_view reason,
                    std::uint64_t count = 1, std::string_view delivery_id = {}) = 0;
};

// Appends to the log on `executor` (whose thread may block a little).
class MetaEventWriter final : public MetaEvents {
 public:
  struct World {
    log::Log* log = nullptr;
    os::Executor* executor = nullptr;  // outlives the writer, or never runs again
    os::Clock* clock = nullptr;
    os::Random* random = nullptr;
  };
  explicit MetaEventWriter(World world) : world_(world) {}
  void Note(MetaEvent what, const MetaSubject& subject, std::string_view reason,
            std::uint64_t count, std::string_view delivery_id) override;
  std::uint64_t appended() const { return counts_->appended.load(); }
  std::uint64_t lost() const { return counts_->lost.load(); }

 private:
  struct Notice {
    DestinationId destination = 0;
    std::string name;
    std::string replay;
    std::string reason;       // the newest
    std::string delivery_id;  // the first
    std::uint64_t count = 0;
    UnixMicros at_us = 0;  // the first
  };
  using Key = std::pair<LaneId, MetaEvent>;
  // Shared with what the log calls when it has answered.
  struct Counts {
    std::atomic<std::uint64_t> appended{0};
    std::atomic<std::uint64_t> lost{0};
  };
  void Arm();
  void Flush();
  void Append(MetaEvent what, const Notice& notice);
  std::string PayloadOf(MetaEvent what, const Notice& notice, const std::string& id) const;

  const World world_;
  std::mutex mutex_;
  std::map<Key, Notice> waiting_;
  bool armed_ = false;
  MonoNanos next_ns_ = 0;  // not before
  std::shared_ptr<Counts> counts_ = std::make_shared<Counts>();
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace tributary::deliver
