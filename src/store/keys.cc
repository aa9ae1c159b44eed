#include "store/keys.h"

#include "base/bytes.h"

namespace tributary::store::keys {
namespace {

// Appends numbers after a prefix byte. The longest key of numbers alone is 25 bytes.
class Builder {
 public:
  explicit Builder(Prefix prefix) {
    key_.reserve(32);
    key_.push_back(static_cast<char>(prefix));
  }
  Builder& U8(std::uint8_t value) {
    key_.push_back(static_cast<char>(value));
    return *this;
  }
  Builder& U32(std::uint32_t value) {
    AppendLe(key_, __builtin_bswap32(value));
    return *this;
  }
  Builder& U64(std::uint64_t value) {
    AppendBe64(key_, value);
    return *this;
  }
  // Times before 1970 cannot be stored in order as unsigned; they are clamped to the first moment.
  Builder& Time(UnixMicros at_us) { return U64(at_us < 0 ? 0 : static_cast<std::uint64_t>(at_us)); }
  Builder& At(Position at) { return U32(at.partition).U64(at.offset); }
  Builder& Text(std::string_view text) {
    key_.append(text);
    return *this;
  }
  std::string Take() { return std::move(key_); }

 private:
  std::string key_;
};

// Reads numbers after a prefix byte; done() is true if exactly the whole key was understood.
class Parser {
 public:
  Parser(Prefix prefix, std::string_view key)
      : rest_(key), ok_(!key.empty() && key.front() == static_cast<char>(prefix)) {
    if (ok_) rest_.remove_prefix(1);
  }
  std::uint32_t U32() { return __builtin_bswap32(Take<std::uint32_t>()); }
  std::uint64_t U64() { return __builtin_bswap64(Take<std::uint64_t>()); }
  UnixMicros Time() { return static_cast<UnixMicros>(U64()); }
  Position At() {
    const std::uint32_t partition = U32();
    return {partition, U64()};
  }
  std::string_view Text() { return std::exchange(rest_, {}); }
  bool ok() const { return ok_; }
  bool done() const { return ok_ && rest_.empty(); }

 private:
  template <class T>
  T Take() {
    if (rest_.size() < sizeof(T)) {
      ok_ = false;
      return 0;
    }
    const T value = LoadLe<T>(rest_.data());
    rest_.remove_prefix(sizeof(T));
    return value;
  }

  std::string_view rest_;
  bool ok_;
};

std::optional<std::uint32_t> ParseId(Prefix prefix, std::string_view key) {
  Parser parser(prefix, key);
  const std::uint32_t id = parser.U32();
  return parser.done() ? std::optional(id) : std::nullopt;
}

std::string LaneAt(Prefix prefix, std::uint32_t lane, Position at) {
  return Builder(prefix).U32(lane).At(at).Take();
}
std::string LaneTimeAt(Prefix prefix, std::uint32_t lane, UnixMicros at_us, Position at) {
  return Builder(prefix).U32(lane).Time(at_us).At(at).Take();
}
std::string OfLane(Prefix prefix, std::uint32_t lane) {
  return Builder(prefix).U32(lane).Take();
}

}  // namespace

std::string Meta(std::string_view name) {
  return Builder(Prefix::kMeta).Text(name).Take();
}

std::string Source(std::uint32_t source) {
  return Builder(Prefix::kSource).U32(source).Take();
}
std::string SourceName(std::string_view name) {
  return Builder(Prefix::kSourceName).Text(name).Take();
}
std::string AllSources() {
  return Builder(Prefix::kSource).Take();
}
std::optional<std::uint32_t> ParseSource(std::string_view key) {
  return ParseId(Prefix::kSource, key);
}

std::string Destination(std::uint32_t destination) {
  return Builder(Prefix::kDestination).U32(destination).Take();
}
std::string DestinationName(std::string_view name) {
  return Builder(Prefix::kDestinationName).Text(name).Take();
}
std::string AllDestinations() {
  return Builder(Prefix::kDestination).Take();
}
std::string AllSourceNames() {
  return Builder(Prefix::kSourceName).Take();
}
std::optional<std::string_view> ParseSourceName(std::string_view key) {
  Parser parser(Prefix::kSourceName, key);
  return parser.ok() ? std::optional(parser.Text()) : std::nullopt;
}
std::string AllDestinationNames() {
  return Builder(Prefix::kDestinationName).Take();
}
std::optional<std::uint32_t> ParseDestination(std::string_view key) {
  return ParseId(Prefix::kDestination, key);
}
std::optional<std::string_view> ParseDestinationName(std::string_view key) {
  Parser parser(Prefix::kDestinationName, key);
  return parser.ok() ? std::optional(parser.Text()) : std::nullopt;
}

std::string Revision(std::uint32_t destination, std::uint32_t revision) {
  return Builder(Prefix::kRevision).U32(destination).U32(revision).Take();
}
std::string RevisionsOf(std::uint32_t destination) {
  return Builder(Prefix::kRevision).U32(destination).Take();
}
std::optional<RevisionKey> ParseRevision(std::string_view key) {
  Parser parser(Prefix::kRevision, key);
  RevisionKey out;
  out.destination = parser.U32();
  out.revision = parser.U32();
  return parser.done() ? std::optional(out) : std::nullopt;
}

std::string History(std::uint32_t destination, std::uint32_t revision) {
  return Builder(Prefix::kHistory).U32(destination).U32(revision).Take();
}
std::string HistoryOf(std::uint32_t destination) {
  return Builder(Prefix::kHistory).U32(destination).Take();
}
std::optional<RevisionKey> ParseHistory(std::string_view key) {
  Parser parser(Prefix::kHistory, key);
  RevisionKey out;
  out.destination = parser.U32();
  out.revision = parser.U32();
  return parser.done() ? std::optional(out) : std::nullopt;
}

std::string Idempotency(std::string_view row) {
  return Builder(Prefix::kIdempotency).Text(row).Take();
}
std::string AllIdempotency() {
  return Builder(Prefix::kIdempotency).Take();
}
std::optional<std::string> ParseIdempotency(std::string_view key) {
  Parser parser(Prefix::kIdempotency, key);
  if (!parser.ok()) return std::nullopt;
  std::string row(parser.Text());
  return row.size() == kIdempotencyRowBytes ? std::optional(std::move(row)) : std::nullopt;
}

std::string Lane(std::uint32_t lane) {
  return OfLane(Prefix::kLane, lane);
}
std::string AllLanes() {
  return Builder(Prefix::kLane).Take();
}
std::optional<std::uint32_t> ParseLane(std::string_view key) {
  return ParseId(Prefix::kLane, key);
}
std::string LaneCounters(std::uint32_t lane) {
  return OfLane(Prefix::kLaneCounters, lane);
}

std::string Cursor(std::uint32_t lane, std::uint32_t partition) {
  return Builder(Prefix::kCursor).U32(lane).U32(partition).Take();
}
std::string CursorsOf(std::uint32_t lane) {
  return OfLane(Prefix::kCursor, lane);
}
std::optional<CursorKey> ParseCursor(std::string_view key) {
  Parser parser(Prefix::kCursor, key);
  CursorKey out;
  out.lane = parser.U32();
  out.partition = parser.U32();
  return parser.done() ? std::optional(out) : std::nullopt;
}

std::string Done(std::uint32_t lane, Position first) {
  return LaneAt(Prefix::kDone, lane, first);
}
std::string DoneOf(std::uint32_t lane, std::uint32_t partition) {
  return Builder(Prefix::kDone).U32(lane).U32(partition).Take();
}
std::optional<LaneKey> ParseLaneKey(Prefix prefix, std::string_view key) {
  Parser parser(prefix, key);
  LaneKey out;
  out.lane = parser.U32();
  out.at = parser.At();
  return parser.done() ? std::optional(out) : std::nullopt;
}

std::string Waiting(std::uint32_t lane, Position at) {
  return LaneAt(Prefix::kWaiting, lane, at);
}
std::string WaitingOf(std::uint32_t lane) {
  return OfLane(Prefix::kWaiting, lane);
}
std::string WaitingDue(std::uint32_t lane, UnixMicros due_us, Position at) {
  return LaneTimeAt(Prefix::kWaitingDue, lane, due_us, at);
}
std::string WaitingDueOf(std::uint32_t lane) {
  return OfLane(Prefix::kWaitingDue, lane);
}
std::string WaitingDueUntil(std::uint32_t lane, UnixMicros due_us) {
  return Builder(Prefix::kWaitingDue).U32(lane).Time(due_us).Take();
}

std::string Follower(std::uint32_t lane, std::uint64_t key_hash, Position at) {
  return Builder(Prefix::kFollower).U32(lane).U64(key_hash).At(at).Take();
}
std::string FollowersOf(std::uint32_t lane, std::uint64_t key_hash) {
  return Builder(Prefix::kFollower).U32(lane).U64(key_hash).Take();
}
std::string AllFollowersOf(std::uint32_t lane) {
  return OfLane(Prefix::kFollower, lane);
}
std::optional<FollowerKey> ParseFollower(std::string_view key) {
  Parser parser(Prefix::kFollower, key);
  FollowerKey out;
  out.lane = parser.U32();
  out.key_hash = parser.U64();
  out.at = parser.At();
  return parser.done() ? std::optional(out) : std::nullopt;
}

std::string DeadLetter(std::uint32_t lane, Position at) {
  return LaneAt(Prefix::kDeadLetter, lane, at);
}
std::string DeadLettersOf(std::uint32_t lane) {
  return OfLane(Prefix::kDeadLetter, lane);
}
std::string DeadLetterAge(std::uint32_t lane, UnixMicros at_us, Position at) {
  return LaneTimeAt(Prefix::kDeadLetterAge, lane, at_us, at);
}
std::string DeadLetterAgesOf(std::uint32_t lane) {
  return OfLane(Prefix::kDeadLetterAge, lane);
}
std::optional<LaneTimeKey> ParseLaneTimeKey(Prefix prefix, std::string_view key) {
  Parser parser(prefix, key);
  LaneTimeKey out;
  out.lane = parser.U32();
  out.at_us = parser.Time();
  out.at = parser.At();
  return parser.done() ? std::optional(out) : std::nullopt;
}

std::string Dropped(std::uint32_t lane, Position first) {
  return LaneAt(Prefix::kDropped, lane, first);
}
std::string DroppedOf(std::uint32_t lane) {
  return OfLane(Prefix::kDropped, lane);
}
std::string DeadMove(std::uint64_t number) {
  return Builder(Prefix::kDeadMove).U64(number).Take();
}
std::string AllDeadMoves() {
  return Builder(Prefix::kDeadMove).Take();
}
std::optional<std::uint64_t> ParseDeadMove(std::string_view key) {
  Parser parser(Prefix::kDeadMove, key);
  const std::uint64_t number = parser.U64();
  return parser.done() ? std::optional(number) : std::nullopt;
}

std::string KeptBody(std::uint32_t lane, Position at) {
  return LaneAt(Prefix::kKeptBody, lane, at);
}
std::string KeptBodiesOf(std::uint32_t lane) {
  return OfLane(Prefix::kKeptBody, lane);
}
std::string Attempt(std::uint32_t lane, Position at, std::uint8_t number) {
  return Builder(Prefix::kAttempt).U32(lane).At(at).U8(number).Take();
}
std::string AttemptsOf(std::uint32_t lane) {
  return OfLane(Prefix::kAttempt, lane);
}
std::string AttemptsAt(std::uint32_t lane, Position at) {
  return LaneAt(Prefix::kAttempt, lane, at);
}
std::optional<LaneKey> ParseAttempt(std::string_view key) {
  if (key.empty()) return std::nullopt;
  return ParseLaneKey(Prefix::kAttempt, key.substr(0, key.size() - 1));
}
std::string DeliveryBatch(std::uint32_t lane, std::uint64_t members_hash) {
  return Builder(Prefix::kDeliveryBatch).U32(lane).U64(members_hash).Take();
}
std::string DeliveryBatchesOf(std::uint32_t lane) {
  return OfLane(Prefix::kDeliveryBatch, lane);
}
std::optional<DeliveryBatchKey> ParseDeliveryBatch(std::string_view key) {
  Parser parser(Prefix::kDeliveryBatch, key);
  DeliveryBatchKey out;
  out.lane = parser.U32();
  out.members_hash = parser.U64();
  return parser.done() ? std::optional(out) : std::nullopt;
}

std::string Replay(std::uint32_t lane) {
  return OfLane(Prefix::kReplay, lane);
}
std::string AllReplays() {
  return Builder(Prefix::kReplay).Take();
}
std::optional<std::uint32_t> ParseReplay(std::string_view key) {
  return ParseId(Prefix::kReplay, key);
}

std::string Audit(UnixMicros at_us, std::uint32_t sequence) {
  return Builder(Prefix::kAudit).Time(at_us).U32(sequence).Take();
}
std::string AllAudit() {
  return Builder(Prefix::kAudit).Take();
}
std::optional<AuditKey> ParseAudit(std::string_view key) {
  Parser parser(Prefix::kAudit, key);
  AuditKey out;
  out.at_us = parser.Time();
  out.sequence = parser.U32();
  return parser.done() ? std::optional(out) : std::nullopt;
}

std::string Processor(std::uint32_t processor, std::uint8_t slot, std::string_view rest) {
  return Builder(Prefix::kProcessor).U32(processor).U8(slot).Text(rest).Take();
}
std::string ProcessorSlot(std::uint32_t processor, std::uint8_t slot) {
  return Processor(processor, slot, {});
}
std::string ProcessorCursor(std::uint32_t processor, std::uint8_t first_slot,
                            std::uint32_t partition) {
  return Builder(Prefix::kProcessorCursor).U32(processor).U8(first_slot).U32(partition).Take();
}
std::optional<std::uint8_t> SlotOfDerived(std::string_view key) {
  constexpr std::size_t kSlotAt = 5;  // prefix byte, processor u32
  if (key.size() <= kSlotAt) return std::nullopt;
  const bool derived = key.front() == static_cast<char>(Prefix::kProcessor) ||
                       key.front() == static_cast<char>(Prefix::kProcessorCursor);
  return derived ? std::optional(static_cast<std::uint8_t>(key[kSlotAt])) : std::nullopt;
}

}  // namespace tributary::store::keys
