// The door of delivery for control/ and app/: destinations as JSON, their state, and what became of
// an event.
//
// Threads. Every public function may be called from any thread and never blocks on the disk, except
// Open() (start only). A completion (`done`) is called exactly once, on the committer thread (or,
// while closing, on any): it must only post to the caller's own loop. After Close() everything is
// answered kUnavailable.
//
// Durability. A change is durable, and in force for every event whose append is called after the
// completion, before its completion is called with success. Changes are made one at a time, in the
// order asked for.
//
// Errors. kInvalid with the field and a sentence (400); kNotFound (404); kConflict: the name exists
// already or is declared in the configuration (409); kDenied: the egress guard refuses the URL,
// with the option that would allow it (400, field "url"); kUnavailable: closing, or the store
// failed (503).
//
// JSON. A destination is the object of DESIGN.md ("Outside surface") plus the options of its type.
// Answers carry all options, and besides "id" (u32), "revision", "status": "active" | "paused" |
// "disabled", "status_reason", "breaker": {"state","since","error"}, "declared": true when the
// configuration made it. Secrets and every
// header value come back as "***"; "***" sent in PUT or PATCH keeps what was there. A PUT of what a
// GET showed changes nothing.
//
// `enabled: false` matches nothing from then on (those pairs are filtered) and sends nothing;
// Pause() sends nothing and keeps the backlog in the log.
//
// Secrets are sealed in the store. A destination whose secrets do not open at start (the key file
// is gone, or another) is disabled, says which, and stays so until they are entered again.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/seal.h"
#include "deliver/committer.h"
#include "deliver/destination.h"
#include "deliver/dry_run.h"
#include "deliver/matcher.h"
#include "deliver/outcome.h"
#include "deliver/replays.h"
#include "deliver/revisions.h"
#include "deliver/secret_rotation.h"
#include "deliver/stored.h"
#include "deliver/trials.h"
#include "log/log.h"
#include "log/verdicts.h"
#include "metrics/registry.h"
#include "os/random.h"
#include "store/store.h"

namespace tributary::deliver {

inline constexpr std::size_t kDestinationsMax = 10'000;
inline constexpr std::size_t kWaitingRowsMax =
    1'000'000;  // per lane; past it the lane stops reading
inline constexpr std::size_t kConcurrencyMax = 1'000;
inline constexpr std::size_t kScheduleEntriesMax = 100;
inline constexpr std::size_t kBatchEventsMax = 10'000;
inline constexpr std::size_t kBatchBytesMax = 16 << 20;
inline constexpr MonoNanos kBatchWaitMax = 60 * kNanosPerSecond;
inline constexpr std::size_t kNameBytesMax = 100;

// One thread that owns lanes: its executor and the HTTP client that runs on it.
struct Loop {
  os::Executor* executor = nullptr;
  http::Client* client = nullptr;
};

class Audit;
class DeadLetters;
class Deliveries;
class DeliveryLog;

// The world; outlives the engine. Loops and `blocking` must be stopped, or never run again, before
// the engine is destroyed.
struct EngineWorld {
  log::Log* log = nullptr;
  log::Verdicts* verdicts = nullptr;
  store::Store* store = nullptr;
  os::FileSystem* fs = nullptr;
  os::Clock* clock = nullptr;
  os::Random* random = nullptr;  // thread-safe
  const http::EgressGuard* egress = nullptr;
  metrics::Registry* metrics = nullptr;
  const MatcherFactory* matchers = nullptr;
  Programs* programs = nullptr;           // nullptr: mappings and filters are refused
  const codec::Sealer* sealer = nullptr;  // nullptr: secrets are stored as they are (simulations)
  std::vector<Loop> loops;                // at least one
  os::Executor* blocking = nullptr;       // its thread may block; file destinations write there
  // Its thread may block too: it reads the log and the store for whoever asks what happened. None:
  // `blocking` does it.
  os::Executor* reads = nullptr;
  DeliveryLog* attempts = nullptr;  // where every attempt is kept; may be nullptr
};

struct EngineOptions {
  std::string files_root;  // DATA/files
  std::string user_agent = "Tributary";
  std::string instance;                                // DestinationContext::instance
  MonoNanos commit_interval_ns = 15 * kNanosPerMilli;  // gathers outcomes; with the sync ≤ 50 ms
  std::size_t waiting_rows_max = kWaitingRowsMax;
  std::size_t destinations_max = kDestinationsMax;
  std::int64_t dead_letter_age_us = 30LL * 86'400 * kMicrosPerSecond;
  std::uint64_t dead_letter_bytes_max = 1ULL << 30;  // of one destination
  // Destinations of the YAML, as JSON objects. They are made or brought up to date by Open(), and
  // cannot be changed through the API; one that is gone from the list is paused and becomes
  // deletable. kConflict when the API made one of that name.
  std::vector<std::string> declared;
};

// What a breaker that is not closed has to say.
struct BreakerView {
  std::string_view state = "closed";   // closed | open | half_open
  std::optional<UnixMicros> since_us;  // when it left `closed`
  std::string error;                   // of the attempt that opened it, the newest one
  std::string ToJson() const;          // {"state","since","error"}
};

struct LaneStats {
  std::uint64_t delivered = 0;
  std::uint64_t filtered = 0;
  std::uint64_t dead_lettered = 0;
  std::uint64_t dropped = 0;
  std::array<std::uint64_t, kDropRules> dropped_by = {};  // by rule; Counts::by_rule
  std::uint64_t retrying = 0;                             // rows that wait
  std::uint64_t followers = 0;  // `order: key`: pairs that wait behind another one of their key
  std::uint64_t in_flight = 0;
  std::uint64_t dead_letter_bytes = 0;  // of their events
  std::uint64_t lag = 0;    // records committed to the log that the lane has not looked at
  double success_rate = 1;  // of the attempts of the last 10 minutes
  double p50_ms = 0;        // of one attempt
  double p95_ms = 0;
  std::string_view breaker = "closed";  // closed | open | half_open
  std::optional<UnixMicros> breaker_since_us;
  std::string breaker_error;
  std::uint64_t window = 0;    // requests that may be in flight now: `concurrency`, or fewer
  std::string ToJson() const;  // the object of `…/stats`
};

// One (event, destination) pair. Destinations that began after the event, or were deleted before
// it, have no line; one that was deleted after it has, as long as the log has the event.
struct PairTrace {
  std::string destination;
  PairState state = PairState::kPending;
  std::string delivery_id;  // dlv_ + hash of lane and offset
  std::string webhook_id;
  std::uint32_t rule_revision = 0;  // the destination's, in force at the event's offset
  std::vector<Attempt> attempts;    // the newest at most kAttemptsKept
  std::uint32_t attempts_total = 0;
  std::optional<UnixMicros> next_attempt_at_us;
  std::string rule;                         // of a dropped pair: which one dropped it
  std::string reason;                       // of a dead-lettered pair: why it was given up
  std::optional<UnixMicros> deleted_at_us;  // when its destination was deleted
};
inline constexpr std::size_t kAttemptsKept = 10;
// `{"id","webhook_id","destination","state","rule_revision","attempts":[…],"next_attempt_at"}` of
// DESIGN.md without message_id and source, which the caller knows; of a dropped pair also "rule",
// of a dead-lettered one "reason", of a deleted destination's "destination_deleted_at".
std::string PairTraceJson(const PairTrace& pair);

class Declared;

class Engine {
 public:
  template <class T>
  using Done = std::move_only_function<void(Result<T>)>;

  // Reads destinations, revisions, cursors and rows; lanes begin to run with Start(). May block.
  static Result<std::unique_ptr<Engine>> Open(EngineWorld world, EngineOptions options);
  virtual ~Engine() = default;
  virtual void Start() = 0;

  // The thread that writes outcomes and answers changes runs it:
  // `while (c.WaitForWork()) while (c.Step()) {}`; it ends after Close() is done.
  virtual Committer& committer() = 0;

  // No new attempts; waits for those in flight at most until `deadline` (monotonic), writes what
  // ended, then calls `done` (on a loop) and closes the committer. What is still in flight is
  // cancelled and sent again after restart.
  virtual void Close(MonoNanos deadline, std::move_only_function<void()> done) = 0;

  // ---- Destinations: each answers with the destination's JSON, redacted. ----
  // `who`: for the history of the destination (revisions.h).
  virtual void Create(std::string json_text, Done<std::string> done, std::string who = {}) = 0;
  struct Replaced {
    std::string json;
    bool created = false;
  };
  // `create`: an unknown name is made (PUT, the seed's POST /destinations); else it is kNotFound.
  // A "name" in the object must be the same.
  virtual void Replace(std::string name, std::string json_text, bool create, Done<Replaced> done,
                       std::string who = {}) = 0;
  virtual void Patch(std::string name, std::string json_text, Done<std::string> done,
                     std::string who = {}) = 0;  // RFC 7396
  virtual void Delete(std::string name, Done<void> done) = 0;
  virtual void Pause(std::string name, Done<std::string> done) = 0;
  virtual void Resume(std::string name, Done<std::string> done) = 0;  // also ends "disabled"

  virtual SecretRotation& secret_rotation() = 0;
  virtual Trials& trials() = 0;

  virtual Result<std::string> Get(std::string_view name) const = 0;
  struct Page {
    std::vector<std::string> data;           // JSON objects in byte order of their names
    std::optional<std::string> next_cursor;  // opaque; nullopt: that was all
  };
  // `limit` is clamped to 1..1000; `cursor` empty: from the beginning.
  virtual Result<Page> List(std::string_view cursor, std::size_t limit) const = 0;
  virtual Result<LaneStats> Stats(std::string_view name) const = 0;

  // Every option that a destination can have: those of lanes, of rules, and of each type.
  virtual std::vector<config::OptionSpec> options() const = 0;

  virtual Replays& replays() = 0;
  // The destinations of the configuration file, said anew while running (declared.h).
  virtual Declared& declared() = 0;
  virtual Revisions& revisions() = 0;
  virtual DryRuns& dry_runs() = 0;
  virtual DeadLetters& dead_letters() = 0;
  virtual Deliveries& deliveries() = 0;
  virtual Audit& audit() = 0;

  // ---- What became of a record ----
  // In byte order of the names, those of deleted destinations last. kNotFound when the log has no
  // such record (any more). The record must be below committed() and no duplicate: those form no
  // pairs.
  virtual void Trace(log::Partition partition, log::Offset offset,
                     Done<std::vector<PairTrace>> done) = 0;
  // The seed's Responses row: a destination that does not match, or was deleted, is left out, the
  // rest is true once delivered. From the pairs of Trace().
  static std::vector<std::pair<std::string, bool>> Responses(const std::vector<PairTrace>& pairs);
};

}  // namespace tributary::deliver
