// A replay as it is asked for and as it is stored.
//
// Stored under keys::Replay(lane): the version byte 1 and a JSON object
//   {"destination" id, "name", "from_us", "to_us", "starts", "ends", "own", "rule", "own_rule",
//    "rate", "created_at_us", "state", "reason", "finished_at_us", "counts", "left"}
// Its lane has the rows of every lane besides: kLane, kRevision 1, kCursor, kWaiting, …
//
// Pure functions; any thread.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/option_list.h"
#include "deliver/stored.h"

namespace tributary::deliver {

// As it is asked for.
struct ReplayRequest {
  std::string destination;
  std::string from;
  std::string to = "now";
  double rate = 0;
  std::string own = "{}";  // the conditions, a JSON object; filled in by ReadReplayRequest
  static void Describe(config::OptionList<ReplayRequest>& o);
};
// `conditions`: the rule fields that a replay may have too. Errors name the field.
Result<ReplayRequest> ReadReplayRequest(std::string_view json_text,
                                        const std::vector<config::OptionSpec>& conditions);

// A point in time as written: RFC 3339, "now", "earliest" (the beginning of time), or how long ago.
std::optional<UnixMicros> ParseReplayTime(std::string_view text, UnixMicros now_us);

enum class ReplayState : std::uint8_t { kRunning, kDone, kCancelled, kFailed };
std::string_view ReplayStateName(ReplayState state);

struct ReplayRecord {
  DestinationId destination = 0;
  std::string name;  // of the destination
  UnixMicros from_us = 0;
  UnixMicros to_us = 0;
  std::vector<log::Offset> starts, ends;  // per partition
  std::string own = "{}";                 // the conditions as written
  std::string rule;                       // the destination's, as stored
  std::string own_rule;                   // the conditions, as stored; "": none
  double rate = 0;
  UnixMicros created_at_us = 0;
  ReplayState state = ReplayState::kRunning;
  std::string reason;
  std::optional<UnixMicros> finished_at_us = {};
  Counts counts;           // once finished
  std::uint64_t left = 0;  // records it had not looked at when it ended early

  bool ended() const { return finished_at_us.has_value(); }
  std::uint64_t total() const;
};
std::string EncodeReplay(const ReplayRecord& record);
Result<ReplayRecord> DecodeReplay(std::string_view bytes);

// "rpl_" and the lane's number.
std::string ReplayId(LaneId lane);
std::optional<LaneId> ParseReplayId(std::string_view id);

// How far it is.
struct ReplayProgress {
  Counts counts;
  std::uint64_t retrying = 0;
  std::uint64_t in_flight = 0;
  std::uint64_t lag = 0;
  bool paused = false;
};
std::string ReplayJson(LaneId lane, const ReplayRecord& record, const ReplayProgress& progress);

}  // namespace tributary::deliver
