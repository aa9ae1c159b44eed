// The door of the dead letters: what was given up, listed, counted, sent again, deleted.
//
// A dead letter keeps its event past the log's retention, its attempts and its ids. It leaves by
// being redriven (it waits again, due at once, with the schedule from its beginning; webhook-id,
// delivery id and the attempts made so far stay), or it is dropped by a named rule: `deleted` by
// somebody, `dead_letter_age`, `dead_letter_size`, `destination_deleted`.
//
// Moves. A redrive or deletion goes through its selection, oldest first, in chunks; each chunk with
// its progress is one batch, so that a crash leaves every letter moved or not. What died after the
// move was asked for is not part of it. Up to kMovedBeforeAnswer letters are moved before the
// answer; a larger move is stored first, answered while it runs, and goes on after a restart.
// A redrive waits while the destination has its limit of waiting rows.
//
// Threads: List and Get may block; any thread. Move and Moving from any thread, never blocking.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "deliver/engine.h"
#include "deliver/stored.h"

namespace tributary::deliver {

inline constexpr std::size_t kDeadIdsMax = 1'000;           // in one selection
inline constexpr std::uint64_t kMovedBeforeAnswer = 1'000;  // a larger move is answered at once
inline constexpr std::size_t kMovesRunningMax = 32;
inline constexpr std::size_t kMovesRemembered = 100;  // that have ended
// Entries of the index that one page or one total may look at.
inline constexpr std::size_t kDeadScanMax = 100'000;

// Everything given must hold.
struct DeadSelection {
  std::optional<std::string> destination;  // its name
  std::optional<std::vector<std::string>> ids;
  std::optional<UnixMicros> since;  // died at or after
  std::optional<UnixMicros> until;  // died before
};

struct DeadLetterQuery {
  DeadSelection selection;             // without ids
  std::vector<log::SourceId> sources;  // any of them; empty: of any source
  std::optional<std::string> message_id;
  std::string cursor;  // of the page before; empty: the newest
  std::size_t limit = 100;
};

struct DeadLetter {
  PairTrace pair;
  log::SourceId source = 0;
  std::string message_id;
  UnixMicros at_us = 0;  // when it died
  UnixMicros received_at_us = 0;
  std::string reason;
  std::string event;  // its JSON; empty when it is lost
};

enum class DeadAction : std::uint8_t { kRedrive, kDelete };

struct DeadMoving {
  std::string id;
  bool running = false;
  std::uint64_t done = 0;   // moved so far
  std::uint64_t total = 0;  // selected when it began
};

class DeadLetters {
 public:
  virtual ~DeadLetters() = default;

  // Calls `then` once, on any thread, where it must only post: from now on List and Get know of
  // every pair that had died when this was called (what died a moment ago is not yet stored), and
  // lists of deliveries of every row.
  virtual void WhenStored(std::move_only_function<void()> then) = 0;

  struct Page {
    std::vector<DeadLetter> data;            // newest first
    std::optional<std::string> next_cursor;  // a page may be short and yet have one
    std::optional<std::uint64_t> total;      // of the whole query; nullopt past kDeadScanMax
  };
  // kInvalid names `destination` (there is none of that name) or `cursor`.
  virtual Result<Page> List(const DeadLetterQuery& query) const = 0;
  // kInvalid when `id` can be none, kNotFound when it names no dead letter.
  virtual Result<DeadLetter> Get(std::string_view id) const = 0;

  // `done` once, on any thread, where it must only post: when all was moved, or when it was seen
  // to take longer and its beginning is durable. kInvalid names the field; kUnavailable.
  using MoveDone = Engine::Done<DeadMoving>;
  virtual void Move(DeadAction action, DeadSelection selection, MoveDone done) = 0;
  // kNotFound: no such move, or long over.
  virtual Result<DeadMoving> Moving(DeadAction action, std::string_view id) const = 0;
};

}  // namespace tributary::deliver
