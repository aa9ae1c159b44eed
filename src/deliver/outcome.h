// What became of one attempt, and what is remembered of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"

namespace tributary::deliver {

// A destination does not report errors, it reports an outcome.
enum class Verdict : std::uint8_t {
  kDelivered,
  kRetry,    // may go better later: network errors, and the statuses of RetriedStatuses
  kReject,   // final for this event: other statuses (3xx are not followed), no way to encode it
  kDisable,  // 410: final, and the destination asks not to be called again
};

// A member of a batch that the receiver refused while it took the others.
struct RejectedMember {
  std::uint32_t index = 0;  // its place in the batch, from 0
  std::string error;        // why: the dead letter's reason
};

struct Outcome {
  Verdict verdict = Verdict::kDelivered;
  // When the receiver said when (Retry-After), how long from now; at most kRetryAfterMax.
  std::optional<MonoNanos> retry_after_ns = {};
  int status = 0;             // HTTP status, 0 when there was none
  std::string error = {};     // "" when delivered, else a word of the delivery log and a sentence
  std::string response = {};  // the beginning of the answer, at most kResponseBytesKept

  // With kDelivered only, each index once, in order, below the number of members: these members are
  // dead letters with their reasons, the others are delivered. A lane settles each member by itself
  // and does not send the batch again. Of a delivery with one member HttpDestination makes a
  // kReject of it, so that only batches of several have any.
  std::vector<RejectedMember> rejected = {};

  static Outcome Delivered(int status = 0) { return {.status = status}; }
  static Outcome Retry(std::string error) {
    return {.verdict = Verdict::kRetry, .error = std::move(error)};
  }
  static Outcome Reject(std::string error) {
    return {.verdict = Verdict::kReject, .error = std::move(error)};
  }
};

inline constexpr MonoNanos kRetryAfterMax = 24 * 3600 * kNanosPerSecond;
inline constexpr std::size_t kResponseBytesKept = 512;

// One line of `attempts` in a trace.
struct Attempt {
  UnixMicros at_us = 0;  // when it began
  int status = 0;
  std::int64_t duration_ms = 0;
  std::uint32_t revision = 0;  // of the destination, whose URL, headers and secret were used
  std::string error;
  std::string response;  // of the last attempt only
};

// The state of one (event, destination) pair. The names are those of the control API.
enum class PairState : std::uint8_t {
  kPending,
  kDelivered,
  kRetrying,
  kDeadLettered,
  kFiltered,
  kDropped,
};
std::string_view PairStateName(PairState state);

}  // namespace tributary::deliver
