#include "deliver/stored.h"

#include <algorithm>
#include <concepts>

#include "base/bytes.h"
#include "base/hash.h"
#include "deliver/notice.h"

namespace tributary::deliver {
namespace {

constexpr char kFirstVersion = 1;
constexpr char kCursorVersion = 2;
constexpr char kWaitingVersion = 2;
constexpr char kRedrivenVersion = 3;  // of a waiting row
constexpr char kAttemptVersion = 2;

class Writer {
 public:
  explicit Writer(char version = kFirstVersion) : out_(1, version) {}
  template <std::integral T>
  Writer& Number(T value) {
    AppendLe(out_, value);
    return *this;
  }
  Writer& Text(std::string_view text) {
    const std::size_t size = std::min<std::size_t>(text.size(), 0xFFFF);
    AppendLe(out_, static_cast<std::uint16_t>(size));
    out_.append(text.substr(0, size));
    return *this;
  }
  Writer& Rest(std::string_view bytes) {
    out_.append(bytes);
    return *this;
  }
  std::string Take() { return std::move(out_); }

 private:
  std::string out_;
};

class Reader {
 public:
  explicit Reader(std::string_view bytes, char newest = kFirstVersion) : rest_(bytes) {
    Number(version_);
    ok_ = ok_ && version_ >= kFirstVersion && version_ <= newest;
  }
  std::uint8_t version() const { return version_; }
  template <std::integral T>
  Reader& Number(T& value) {
    if (!ok_ || rest_.size() < sizeof(T)) return Broken();
    value = LoadLe<T>(rest_.data());
    rest_.remove_prefix(sizeof(T));
    return *this;
  }
  Reader& Text(std::string_view& text) {
    std::uint16_t size = 0;
    Number(size);
    if (!ok_ || rest_.size() < size) return Broken();
    text = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return *this;
  }
  Reader& Text(std::string& text) {
    std::string_view view;
    Text(view);
    text = view;
    return *this;
  }
  std::string_view Rest() { return std::exchange(rest_, {}); }
  std::size_t left() const { return rest_.size(); }
  bool whole() const { return ok_ && rest_.empty(); }
  bool ok() const { return ok_; }

 private:
  Reader& Broken() {
    ok_ = false;
    return *this;
  }
  std::string_view rest_;
  std::uint8_t version_ = 0;
  bool ok_ = true;
};

constexpr std::string_view kDeliveryIdPrefix = "dlv_";
constexpr std::uint64_t kIdRounds = 4;

// Any function will do in a Feistel network; the round keeps two equal halves from meeting.
std::uint64_t IdRound(std::uint64_t half, std::uint64_t round) {
  char bytes[sizeof half];
  StoreLe(bytes, half);
  return Hash64({bytes, sizeof bytes}, round);
}

// Lower-case digits only: an id has one spelling.
std::optional<std::uint64_t> ParseHex(std::string_view digits) {
  std::uint64_t value = 0;
  for (const char c : digits) {
    const bool digit = c >= '0' && c <= '9';
    if (!digit && (c < 'a' || c > 'f')) return std::nullopt;
    value = value << 4 | static_cast<std::uint64_t>(digit ? c - '0' : c - 'a' + 10);
  }
  return digits.size() == 16 ? std::optional(value) : std::nullopt;
}

template <class T>
Result<T> Whole(const Reader& reader, T value, const char* what) {
  if (!reader.whole()) {
    return Fail(ErrorCode::kCorrupt, std::string("a stored ") + what + " is broken");
  }
  return value;
}

}  // namespace

std::string EncodeCursor(const StoredCursor& v) {
  const bool by_rule = v.counts.by_rule != decltype(v.counts.by_rule){};
  Writer writer(by_rule ? kCursorVersion : kFirstVersion);
  writer.Number(v.cursor).Number(v.start).Number(v.released);
  writer.Number(v.counts.delivered).Number(v.counts.filtered);
  writer.Number(v.counts.dead_lettered).Number(v.counts.dropped);
  writer.Number(static_cast<std::uint32_t>(v.above.size()));
  for (const auto& [first, end] : v.above) writer.Number(first).Number(end);
  if (by_rule) writer.Number(static_cast<std::uint8_t>(kDropRules));
  for (std::size_t i = 0; by_rule && i < kDropRules; ++i) writer.Number(v.counts.by_rule[i]);
  return writer.Take();
}

Result<StoredCursor> DecodeCursor(std::string_view bytes) {
  StoredCursor v;
  Reader reader(bytes, kCursorVersion);
  std::uint32_t ranges = 0;
  reader.Number(v.cursor).Number(v.start).Number(v.released);
  reader.Number(v.counts.delivered).Number(v.counts.filtered);
  reader.Number(v.counts.dead_lettered).Number(v.counts.dropped).Number(ranges);
  if (reader.left() / 16 >= ranges) v.above.resize(ranges);
  for (auto& [first, end] : v.above) reader.Number(first).Number(end);
  std::uint8_t rules = 0;
  if (reader.version() == kCursorVersion) reader.Number(rules);
  for (std::size_t i = 0; i < rules && i < kDropRules; ++i) reader.Number(v.counts.by_rule[i]);
  return Whole(reader, std::move(v), "cursor");
}

std::string EncodeWaiting(const StoredWaiting& v) {
  Writer writer(v.redriven_after == 0 ? kWaitingVersion : kRedrivenVersion);
  writer.Number(v.due_us).Number(v.attempts).Number(v.since_us).Number(v.key);
  if (v.redriven_after != 0) writer.Number(v.redriven_after);
  return writer.Take();
}

Result<StoredWaiting> DecodeWaiting(std::string_view bytes) {
  StoredWaiting v;
  Reader reader(bytes, kRedrivenVersion);
  reader.Number(v.due_us).Number(v.attempts);
  if (reader.version() >= kWaitingVersion) reader.Number(v.since_us).Number(v.key);
  if (reader.version() == kRedrivenVersion) reader.Number(v.redriven_after);
  return Whole(reader, v, "waiting row");
}

std::string EncodeFollower(UnixMicros due_us) {
  return Writer().Number(due_us).Take();
}

Result<UnixMicros> DecodeFollower(std::string_view bytes) {
  UnixMicros due_us = 0;
  Reader reader(bytes);
  reader.Number(due_us);
  return Whole(reader, due_us, "follower");
}

std::string EncodeDead(const StoredDead& v) {
  return Writer().Number(v.at_us).Number(v.attempts).Text(v.reason).Take();
}

Result<StoredDead> DecodeDead(std::string_view bytes) {
  StoredDead v;
  Reader reader(bytes);
  reader.Number(v.at_us).Number(v.attempts).Text(v.reason);
  return Whole(reader, std::move(v), "dead letter");
}

DeadFacts FactsOf(const log::RecordView& record) {
  const log::RecordFields& f = record.fields;
  const std::size_t bytes = record.payload.size() + f.key.size() + f.name.size() +
                            f.message_id.size() + f.correlation_id.size();
  return {.bytes = static_cast<std::uint32_t>(bytes),
          .source = f.source,
          .message_hash = Hash64(f.message_id),
          .notice = IsNotice(f)};
}

std::string EncodeDeadAge(const StoredDeadAge& v) {
  return Writer()
      .Number(v.attempts)
      .Number(v.facts.bytes)
      .Number(v.facts.source)
      .Number(v.facts.message_hash)
      .Take();
}

Result<StoredDeadAge> DecodeDeadAge(std::string_view bytes) {
  StoredDeadAge v;
  Reader reader(bytes);
  reader.Number(v.attempts).Number(v.facts.bytes).Number(v.facts.source);
  reader.Number(v.facts.message_hash);
  return Whole(reader, v, "age of a dead letter");
}

std::string_view DropRuleName(DropRule rule) {
  switch (rule) {
    case DropRule::kRetention:
      return "retention";
    case DropRule::kDestinationDeleted:
      return "destination_deleted";
    case DropRule::kDeleted:
      return "deleted";
    case DropRule::kDeadLetterAge:
      return "dead_letter_age";
    case DropRule::kDeadLetterSize:
      return "dead_letter_size";
    case DropRule::kReplayCancelled:
      return "replay_cancelled";
  }
  return "unknown";
}

void AddToRuns(std::vector<OffsetRange>& runs, log::Offset first, log::Offset end) {
  if (first >= end) return;
  if (!runs.empty() && runs.back().second == first) {
    runs.back().second = end;
  } else {
    runs.emplace_back(first, end);
  }
}

std::uint64_t StoredDropped::count() const {
  std::uint64_t sum = 0;
  for (const auto& [first, end] : runs) sum += end - first;
  return sum;
}

bool StoredDropped::Contains(log::Offset offset) const {
  const auto past = std::ranges::upper_bound(runs, offset, {}, &OffsetRange::first);
  return past != runs.begin() && std::prev(past)->second > offset;
}

std::string EncodeDropped(const StoredDropped& v) {
  Writer writer;
  writer.Number(static_cast<std::uint8_t>(v.rule)).Number(v.at_us);
  writer.Number(static_cast<std::uint32_t>(v.runs.size()));
  log::Offset from = v.runs.empty() ? 0 : v.runs.front().first;
  for (const auto& [first, end] : v.runs) {
    writer.Number(first - from).Number(end - first);
    from = end;
  }
  return writer.Take();
}

Result<StoredDropped> DecodeDropped(log::Offset first, std::string_view bytes) {
  StoredDropped v;
  Reader reader(bytes);
  std::uint8_t rule = 0;
  std::uint32_t runs = 0;
  reader.Number(rule).Number(v.at_us).Number(runs);
  v.rule = static_cast<DropRule>(rule);
  if (reader.left() == std::size_t{runs} * 16) v.runs.resize(runs);
  for (OffsetRange& run : v.runs) {
    std::uint64_t gap = 0;
    std::uint64_t length = 0;
    reader.Number(gap).Number(length);
    run = {first + gap, first + gap + length};
    first = run.second;
  }
  return Whole(reader, std::move(v), "group of dropped pairs");
}

std::string EncodeAttempt(const StoredAttempt& v) {
  const Attempt& a = v.attempt;
  const auto duration = static_cast<std::uint32_t>(std::clamp<std::int64_t>(a.duration_ms, 0, ~0U));
  const bool batch = v.batch != Hash128{};
  Writer writer(batch ? kAttemptVersion : kFirstVersion);
  writer.Number(a.at_us).Number(v.number).Number(static_cast<std::uint16_t>(a.status));
  writer.Number(duration).Number(a.revision).Text(a.error).Text(a.response);
  if (batch) writer.Number(v.batch.high).Number(v.batch.low);
  return writer.Take();
}

std::string EncodeBatch(const StoredBatch& v) {
  Writer writer;
  writer.Number(v.due_us).Number(v.attempts).Number(v.base).Number(v.since_us).Number(v.after);
  writer.Number(v.id.high).Number(v.id.low).Number(static_cast<std::uint32_t>(v.members.size()));
  for (const StoredBatch::Member& m : v.members) {
    writer.Number(m.at.partition).Number(m.at.offset);
    writer.Number(m.webhook_id.high).Number(m.webhook_id.low).Number(m.key);
  }
  return writer.Take();
}

Result<StoredBatch> DecodeBatch(std::string_view bytes) {
  constexpr std::size_t kMemberBytes = 36;
  StoredBatch v;
  Reader reader(bytes);
  std::uint32_t members = 0;
  reader.Number(v.due_us).Number(v.attempts).Number(v.base).Number(v.since_us).Number(v.after);
  reader.Number(v.id.high).Number(v.id.low).Number(members);
  if (reader.left() == members * kMemberBytes) v.members.resize(members);
  for (StoredBatch::Member& m : v.members) {
    reader.Number(m.at.partition).Number(m.at.offset);
    reader.Number(m.webhook_id.high).Number(m.webhook_id.low).Number(m.key);
  }
  if (v.members.empty()) return Fail(ErrorCode::kCorrupt, "a stored batch is broken");
  return Whole(reader, std::move(v), "batch");
}

Result<StoredAttempt> DecodeAttempt(std::string_view bytes) {
  StoredAttempt v;
  std::uint16_t status = 0;
  std::uint32_t duration = 0;
  Reader reader(bytes, kAttemptVersion);
  reader.Number(v.attempt.at_us).Number(v.number).Number(status).Number(duration);
  reader.Number(v.attempt.revision).Text(v.attempt.error).Text(v.attempt.response);
  if (reader.version() >= 2) reader.Number(v.batch.high).Number(v.batch.low);
  v.attempt.status = status;
  v.attempt.duration_ms = duration;
  return Whole(reader, std::move(v), "attempt");
}

std::string EncodeKept(const log::RecordView& record) {
  const log::RecordFields& f = record.fields;
  return Writer()
      .Number(f.received_at_us)
      .Number(f.event_time_us)
      .Number(f.source)
      .Number(static_cast<std::uint8_t>(f.kind))
      .Number(static_cast<std::uint8_t>(f.type))
      .Number(f.flags)
      .Text(f.key)
      .Text(f.name)
      .Text(f.message_id)
      .Text(f.correlation_id)
      .Rest(record.payload)
      .Take();
}

Result<log::RecordView> DecodeKept(Position at, std::string_view bytes) {
  log::RecordView record{.partition = at.partition, .offset = at.offset};
  log::RecordFields& f = record.fields;
  std::uint8_t kind = 0;
  std::uint8_t type = 0;
  Reader reader(bytes);
  reader.Number(f.received_at_us).Number(f.event_time_us).Number(f.source);
  reader.Number(kind).Number(type).Number(f.flags);
  reader.Text(f.key).Text(f.name).Text(f.message_id).Text(f.correlation_id);
  f.kind = static_cast<log::Kind>(kind);
  f.type = static_cast<log::EventType>(type);
  record.slot = SlotOf(f.key);
  record.payload = reader.Rest();
  return Whole(reader, record, "kept event");
}

std::string_view LaneStatusName(LaneStatus status) {
  switch (status) {
    case LaneStatus::kActive:
      return "active";
    case LaneStatus::kPaused:
      return "paused";
    case LaneStatus::kDisabled:
      return "disabled";
    case LaneStatus::kDeleted:
      return "deleted";
  }
  return "active";
}

std::string EncodeLane(const StoredLane& v) {
  return Writer().Number(static_cast<std::uint8_t>(v.status)).Number(v.at_us).Text(v.reason).Take();
}

Result<StoredLane> DecodeLane(std::string_view bytes) {
  StoredLane v;
  std::uint8_t status = 0;
  Reader reader(bytes);
  reader.Number(status).Number(v.at_us).Text(v.reason);
  v.status = static_cast<LaneStatus>(status);
  return Whole(reader, std::move(v), "lane");
}

std::string DeliveryId(LaneId lane, Position at) {
  Hash128 id{.high = std::uint64_t{lane} << 32 | at.partition, .low = at.offset};
  for (std::uint64_t round = 0; round < kIdRounds; round += 2) {
    id.low ^= IdRound(id.high, round);
    id.high ^= IdRound(id.low, round + 1);
  }
  return std::string(kDeliveryIdPrefix) + id.ToHex();
}

std::optional<DeliveryPlace> ParseDeliveryId(std::string_view text) {
  if (!text.starts_with(kDeliveryIdPrefix)) return std::nullopt;
  text.remove_prefix(kDeliveryIdPrefix.size());
  const auto high = ParseHex(text.substr(0, 16));
  const auto low = text.size() == 32 ? ParseHex(text.substr(16)) : std::nullopt;
  if (!high || !low) return std::nullopt;
  Hash128 id{.high = *high, .low = *low};
  for (std::uint64_t round = kIdRounds; round > 0; round -= 2) {
    id.high ^= IdRound(id.low, round - 1);
    id.low ^= IdRound(id.high, round - 2);
  }
  return DeliveryPlace{.lane = static_cast<LaneId>(id.high >> 32),
                       .at = {static_cast<std::uint32_t>(id.high), id.low}};
}

Hash128 WebhookIdHash(DestinationId destination, const log::RecordView& record) {
  std::string bytes;
  AppendLe(bytes, destination);
  AppendLe(bytes, record.fields.source);
  if (!record.fields.message_id.empty()) {
    bytes += record.fields.message_id;
  } else {
    bytes += "@" + std::to_string(record.partition) + ":" + std::to_string(record.offset);
  }
  return HashOf128(bytes);
}

std::string WebhookId(DestinationId destination, const log::RecordView& record) {
  return WebhookIdText(WebhookIdHash(destination, record));
}

Hash128 BatchWebhookId(const std::vector<StoredBatch::Member>& members) {
  std::string ids;
  ids.reserve(members.size() * 36);
  for (const StoredBatch::Member& member : members) ids += WebhookIdText(member.webhook_id);
  return HashOf128(ids);
}

std::string WebhookIdAlone(DestinationId destination, const log::RecordView& record) {
  StoredBatch::Member member;
  member.webhook_id = WebhookIdHash(destination, record);
  return WebhookIdText(BatchWebhookId({member}));
}

std::string WebhookIdText(Hash128 hash) {
  return "msg_" + hash.ToHex();
}

}  // namespace tributary::deliver
