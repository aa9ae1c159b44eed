// The sub-door of replays: stretches of the log sent to one destination once more.
//
// A replay is a lane of its own (replay_part.h), with its own outcomes, rows, dead letters, breaker
// and rate, and never touches the pairs of the live lane. It sends the non-duplicate events
// received in [from, to) that the destination's rule wants, as it is when the replay is made, and
// that the replay's own condition wants: nothing else. URL, mapping, headers and secret are the
// destination's current ones at each attempt; webhook ids are the live ones.
//
// States: running, paused, done, cancelled, failed (it could not be read at start; the reason says
// why). A cancelled one counts what is left as dropped, which takes a moment: it has ended once
// "finished_at" is no null. While the destination is paused, disabled or not enabled, its replays
// wait. They are cancelled when it is deleted. What the log loses to retention before a replay came
// to it is dropped, counted.
//
// Threads, durability and errors: as in engine.h. A replay is durable before its completion is
// called with success; a restart goes on at its durable cursor.
//
// JSON. Create() reads `{"destination","from","to"?,"rate"?}` and the conditions that the rule
// fields know of `filter` and `pattern`. A time is RFC 3339, "now", "earliest", or a span that
// says how long ago ("2h"). `rate` is attempts per second, 0 or absent: the destination's limit.
// An answer is {"id","destination","from","to","filter","pattern","state","reason","rate","total",
// "scanned","delivered","filtered","dead_lettered","dropped","retrying","in_flight","lag",
// "created_at","finished_at"}; "total" is records of the range, "lag" those not looked at yet.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tributary::deliver {

inline constexpr std::size_t kReplaysActiveMax = 16;   // that have not ended; past it kConflict
inline constexpr std::size_t kReplaysKeptMax = 1'000;  // with the ended ones; the oldest go

class Replays {
 public:
  template <class T>
  using Done = std::move_only_function<void(Result<T>)>;
  virtual ~Replays() = default;

  virtual void Create(std::string json_text, Done<std::string> done) = 0;
  // kConflict when it has ended.
  virtual void Pause(std::string id, Done<std::string> done) = 0;
  virtual void Resume(std::string id, Done<std::string> done) = 0;
  virtual void Cancel(std::string id, Done<std::string> done) = 0;
  // An ended one, with its dead letters; else kConflict.
  virtual void Delete(std::string id, Done<void> done) = 0;

  virtual Result<std::string> Get(std::string_view id) const = 0;
  struct Page {
    std::vector<std::string> data;           // JSON objects, newest first
    std::optional<std::string> next_cursor;  // opaque; nullopt: that was all
  };
  // `destination` empty: of all; kInvalid when there is none of that name, nor a replay to one.
  // `limit` is clamped to 1..1000.
  virtual Result<Page> List(std::string_view destination, std::string_view cursor,
                            std::size_t limit) const = 0;
};

}  // namespace tributary::deliver
