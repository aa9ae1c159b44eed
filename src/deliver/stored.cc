#include "deliver/stored.h"

#include <algorithm>
#include <concepts>

#include "base/bytes.h"
#include "base/hash.h"

namespace tributary::deliver {
namespace {

constexpr char kVersion = 1;
constexpr char kWaitingVersion = 2;

class Writer {
 public:
  explicit Writer(char version = kVersion) : out_(1, version) {}
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
  explicit Reader(std::string_view bytes, char newest = kVersion) : rest_(bytes) {
    Number(version_);
    ok_ = ok_ && version_ >= kVersion && version_ <= newest;
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

template <class T>
Result<T> Whole(const Reader& reader, T value, const char* what) {
  if (!reader.whole()) {
    return Fail(ErrorCode::kCorrupt, std::string("a stored ") + what + " is broken");
  }
  return value;
}

}  // namespace

std::string EncodeCursor(const StoredCursor& v) {
  Writer writer;
  writer.Number(v.cursor).Number(v.start).Number(v.released);
  writer.Number(v.counts.delivered).Number(v.counts.filtered);
  writer.Number(v.counts.dead_lettered).Number(v.counts.dropped);
  writer.Number(static_cast<std::uint32_t>(v.above.size()));
  for (const auto& [first, end] : v.above) writer.Number(first).Number(end);
  return writer.Take();
}

Result<StoredCursor> DecodeCursor(std::string_view bytes) {
  StoredCursor v;
  Reader reader(bytes);
  std::uint32_t ranges = 0;
  reader.Number(v.cursor).Number(v.start).Number(v.released);
  reader.Number(v.counts.delivered).Number(v.counts.filtered);
  reader.Number(v.counts.dead_lettered).Number(v.counts.dropped).Number(ranges);
  if (reader.left() == std::size_t{ranges} * 16) v.above.resize(ranges);
  for (auto& [first, end] : v.above) reader.Number(first).Number(end);
  return Whole(reader, std::move(v), "cursor");
}

std::string EncodeWaiting(const StoredWaiting& v) {
  return Writer(kWaitingVersion)
      .Number(v.due_us)
      .Number(v.attempts)
      .Number(v.since_us)
      .Number(v.key)
      .Take();
}

Result<StoredWaiting> DecodeWaiting(std::string_view bytes) {
  StoredWaiting v;
  Reader reader(bytes, kWaitingVersion);
  reader.Number(v.due_us).Number(v.attempts);
  if (reader.version() >= 2) reader.Number(v.since_us).Number(v.key);
  return Whole(reader, v, "waiting row");
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

std::string EncodeAttempt(const StoredAttempt& v) {
  const Attempt& a = v.attempt;
  const auto duration = static_cast<std::uint32_t>(std::clamp<std::int64_t>(a.duration_ms, 0, ~0U));
  return Writer()
      .Number(a.at_us)
      .Number(v.number)
      .Number(static_cast<std::uint16_t>(a.status))
      .Number(duration)
      .Number(a.revision)
      .Text(a.error)
      .Text(a.response)
      .Take();
}

Result<StoredAttempt> DecodeAttempt(std::string_view bytes) {
  StoredAttempt v;
  std::uint16_t status = 0;
  std::uint32_t duration = 0;
  Reader reader(bytes);
  reader.Number(v.attempt.at_us).Number(v.number).Number(status).Number(duration);
  reader.Number(v.attempt.revision).Text(v.attempt.error).Text(v.attempt.response);
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
  std::string bytes;
  AppendLe(bytes, lane);
  AppendLe(bytes, at.partition);
  AppendLe(bytes, at.offset);
  return "dlv_" + HashOf128(bytes).ToHex();
}

std::string WebhookId(DestinationId destination, const log::RecordView& record) {
  std::string bytes;
  AppendLe(bytes, destination);
  AppendLe(bytes, record.fields.source);
  if (!record.fields.message_id.empty()) {
    bytes += record.fields.message_id;
  } else {
    bytes += "@" + std::to_string(record.partition) + ":" + std::to_string(record.offset);
  }
  return "msg_" + HashOf128(bytes).ToHex();
}

}  // namespace tributary::deliver
