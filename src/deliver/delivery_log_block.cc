#include "deliver/delivery_log_block.h"

#include <algorithm>
#include <tuple>

#include "base/bytes.h"
#include "base/crc32c.h"

namespace tributary::deliver {
namespace {

void PutVarint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}

// Small differences of either sign become small numbers.
void PutDelta(std::string& out, std::uint64_t value, std::uint64_t& before) {
  const auto delta = static_cast<std::int64_t>(value - before);
  before = value;
  PutVarint(out,
            (static_cast<std::uint64_t>(delta) << 1) ^ static_cast<std::uint64_t>(delta >> 63));
}

class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : rest_(bytes) {}
  std::uint64_t Varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (rest_.empty()) break;
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    ok_ = false;
    return 0;
  }
  std::uint64_t Delta(std::uint64_t& before) {
    const std::uint64_t zigzag = Varint();
    before += (zigzag >> 1) ^ (~(zigzag & 1) + 1);
    return before;
  }
  std::string Text() {
    const std::uint64_t size = Varint();
    if (size > rest_.size()) {
      ok_ = false;
      return {};
    }
    std::string text(rest_.substr(0, size));
    rest_.remove_prefix(size);
    return text;
  }
  bool whole() const { return ok_ && rest_.empty(); }
  bool ok() const { return ok_; }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

// The columns in the order in which they are stored, but for the texts, which come last: those that
// are stored as differences, and those that are stored as they are.
void EachColumn(auto&& deltas, auto&& plain) {
  deltas(&AttemptRow::lane);
  deltas(&AttemptRow::partition);
  deltas(&AttemptRow::offset);
  deltas(&AttemptRow::at_ms);
  plain(&AttemptRow::duration_ms);
  plain(&AttemptRow::number);
  plain(&AttemptRow::status);
  deltas(&AttemptRow::revision);
}

std::string Columns(const AttemptRows& all, std::size_t first, std::size_t end) {
  const std::span rows = std::span(all.rows).subspan(first, end - first);
  std::string out;
  const auto deltas = [&](auto member) {
    std::uint64_t before = 0;
    for (const AttemptRow& row : rows) {
      PutDelta(out, static_cast<std::uint64_t>(row.*member), before);
    }
  };
  const auto plain = [&](auto member) {
    for (const AttemptRow& row : rows) PutVarint(out, row.*member);
  };
  EachColumn(deltas, plain);
  for (const AttemptRow& row : rows) PutVarint(out, row.text == 0 ? 0 : 1);
  for (const AttemptRow& row : rows) {
    if (row.text == 0) continue;
    const AttemptRows::Text& text = all.texts[row.text - 1];
    PutVarint(out, text.error.size());
    out += text.error;
    PutVarint(out, text.response.size());
    out += text.response;
  }
  return out;
}

// Of rows as Sort() leaves them: a run of each lane, plain ones apart from the others.
std::vector<BlockGroup> GroupsOf(std::span<const AttemptRow> rows) {
  std::vector<BlockGroup> groups;
  for (const AttemptRow& row : rows) {
    const bool same = !groups.empty() && groups.back().lane == row.lane &&
                      groups.back().partition == row.partition && row.offset >= groups.back().last;
    if (!same) groups.push_back({row.lane, row.partition, row.offset, row.offset});
    groups.back().last = row.offset;
  }
  return groups;
}

}  // namespace

void AttemptRows::Add(LaneId lane, Position at, const StoredAttempt& attempt) {
  const Attempt& a = attempt.attempt;
  AttemptRow row{.at_ms = a.at_us / 1000,
                 .offset = at.offset,
                 .lane = lane,
                 .partition = at.partition,
                 .number = attempt.number,
                 .duration_ms = static_cast<std::uint32_t>(
                     std::clamp<std::int64_t>(a.duration_ms, 0, ~std::uint32_t{0})),
                 .revision = a.revision,
                 .status = static_cast<std::uint16_t>(a.status)};
  // What a receiver says to a success is not kept.
  if (!a.error.empty()) {
    texts.push_back({a.error, a.response});
    text_bytes += a.error.size() + a.response.size() + sizeof(Text);
    row.text = static_cast<std::uint32_t>(texts.size());
  }
  rows.push_back(row);
}

void AttemptRows::Append(const AttemptRows& other) {
  const auto before = static_cast<std::uint32_t>(texts.size());
  for (AttemptRow row : other.rows) {
    if (row.text != 0) row.text += before;
    rows.push_back(row);
  }
  texts.insert(texts.end(), other.texts.begin(), other.texts.end());
  text_bytes += other.text_bytes;
}

StoredAttempt AttemptRows::At(std::size_t i) const {
  const AttemptRow& row = rows[i];
  StoredAttempt attempt{.number = row.number,
                        .attempt = {.at_us = row.at_ms * 1000,
                                    .status = row.status,
                                    .duration_ms = row.duration_ms,
                                    .revision = row.revision}};
  if (row.text != 0) {
    attempt.attempt.error = texts[row.text - 1].error;
    attempt.attempt.response = texts[row.text - 1].response;
  }
  return attempt;
}

void AttemptRows::Sort() {
  std::ranges::sort(rows, {}, [](const AttemptRow& row) {
    return std::tuple(!row.plain(), row.lane, row.partition, row.offset, row.number);
  });
}

void AttemptRows::Clear() {
  rows.clear();
  texts.clear();
  text_bytes = 0;
}

bool BlockHeader::Has(LaneId lane, Position at) const {
  return std::ranges::any_of(groups, [&](const BlockGroup& g) {
    return g.lane == lane && g.partition == at.partition && g.first <= at.offset &&
           at.offset <= g.last;
  });
}

std::string EncodeBlock(const AttemptRows& rows, std::size_t first, std::size_t end,
                        codec::ZstdCompressor& compressor) {
  const std::span span = std::span(rows.rows).subspan(first, end - first);
  std::string payload;
  compressor.Compress(Columns(rows, first, end), payload);
  const std::vector<BlockGroup> groups = GroupsOf(span);
  const auto [oldest, newest] = std::ranges::minmax(span, {}, &AttemptRow::at_ms);
  std::string out;
  out += kBlockMagic;
  AppendLe(out, static_cast<std::uint32_t>(kBlockFixedBytes + groups.size() * kBlockGroupBytes));
  AppendLe(out, static_cast<std::uint32_t>(payload.size()));
  AppendLe(out, Crc32c(payload));
  AppendLe(out, static_cast<std::uint32_t>(span.size()));
  AppendLe(out, static_cast<std::uint32_t>(groups.size()));
  AppendLe(out, oldest.at_ms);
  AppendLe(out, newest.at_ms);
  AppendLe(out, std::uint32_t{0});  // reserved
  std::string tail;
  for (const BlockGroup& group : groups) {
    AppendLe(tail, group.lane);
    AppendLe(tail, group.partition);
    AppendLe(tail, group.first);
    AppendLe(tail, group.last);
  }
  AppendLe(out, Crc32c(tail, Crc32c(out)));
  return out + tail + payload;
}

std::optional<std::uint32_t> BlockHeaderBytes(std::string_view fixed) {
  if (fixed.size() < kBlockFixedBytes || !fixed.starts_with(kBlockMagic)) return std::nullopt;
  const auto bytes = LoadLe<std::uint32_t>(fixed.data() + 4);
  const std::uint64_t groups = LoadLe<std::uint32_t>(fixed.data() + 20);
  if (bytes != kBlockFixedBytes + groups * kBlockGroupBytes) return std::nullopt;
  return bytes;
}

std::optional<BlockHeader> DecodeBlockHeader(std::string_view bytes) {
  const auto size = BlockHeaderBytes(bytes);
  if (!size || bytes.size() < *size) return std::nullopt;
  const std::string_view covered = bytes.substr(0, kBlockFixedBytes - 4);
  const std::string_view tail = bytes.substr(kBlockFixedBytes, *size - kBlockFixedBytes);
  if (LoadLe<std::uint32_t>(bytes.data() + kBlockFixedBytes - 4) != Crc32c(tail, Crc32c(covered))) {
    return std::nullopt;
  }
  BlockHeader header{.header_bytes = *size,
                     .payload_bytes = LoadLe<std::uint32_t>(bytes.data() + 8),
                     .payload_crc = LoadLe<std::uint32_t>(bytes.data() + 12),
                     .rows = LoadLe<std::uint32_t>(bytes.data() + 16),
                     .first_ms = LoadLe<std::int64_t>(bytes.data() + 24),
                     .last_ms = LoadLe<std::int64_t>(bytes.data() + 32)};
  for (const char* at = tail.data(); at < tail.data() + tail.size(); at += kBlockGroupBytes) {
    header.groups.push_back({LoadLe<std::uint32_t>(at), LoadLe<std::uint32_t>(at + 4),
                             LoadLe<std::uint64_t>(at + 8), LoadLe<std::uint64_t>(at + 16)});
  }
  return header;
}

Status DecodeBlock(const BlockHeader& header, std::string_view payload,
                   codec::ZstdDecompressor& decompressor, AttemptRows& out) {
  if (Crc32c(payload) != header.payload_crc) {
    return Fail(ErrorCode::kCorrupt, "a block of the delivery log is damaged");
  }
  std::string raw;
  TRY(decompressor.Decompress(payload, kBlockPayloadMax, raw));
  if (raw.size() < std::size_t{header.rows} * 9) {
    return Fail(ErrorCode::kCorrupt, "a block of the delivery log has too few bytes");
  }
  Cursor cursor(raw);
  const std::size_t first = out.rows.size();
  out.rows.resize(first + header.rows);
  const std::span rows = std::span(out.rows).subspan(first);
  const auto deltas = [&]<class T>(T AttemptRow::*member) {
    std::uint64_t before = 0;
    for (AttemptRow& row : rows) row.*member = static_cast<T>(cursor.Delta(before));
  };
  const auto plain = [&]<class T>(T AttemptRow::*member) {
    for (AttemptRow& row : rows) row.*member = static_cast<T>(cursor.Varint());
  };
  EachColumn(deltas, plain);
  plain(&AttemptRow::text);
  for (AttemptRow& row : rows) {
    if (row.text == 0) continue;
    AttemptRows::Text text{.error = cursor.Text(), .response = cursor.Text()};
    out.text_bytes += text.error.size() + text.response.size() + sizeof text;
    out.texts.push_back(std::move(text));
    row.text = static_cast<std::uint32_t>(out.texts.size());
  }
  if (cursor.whole()) return {};
  return Fail(ErrorCode::kCorrupt, "a block of the delivery log does not add up");
}

}  // namespace tributary::deliver
