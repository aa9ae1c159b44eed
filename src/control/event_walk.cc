#include "control/event_walk.h"

#include <algorithm>
#include <deque>

#include "base/check.h"

namespace tributary::control {

using log::Offset;
using log::Partition;

namespace {

constexpr std::uint64_t kWindowRecordsMin = 64;
constexpr std::uint64_t kWindowRecordsMax = 8'192;
// A window grows while it stays below the first and shrinks when it was above the second.
constexpr std::uint64_t kWindowBytesFew = 512 * 1024;
constexpr std::uint64_t kWindowBytesMany = 4 * 1024 * 1024;
constexpr std::size_t kWalkReadBytes = 256 * 1024;

}  // namespace

// One partition: the matches of a window of offsets, then of the next. A window is read forwards in
// either direction, because the log can only be read so.
class EventWalk::Part {
 public:
  Part(EventWalk& walk, Partition partition, Offset from, Offset to)
      : walk_(walk), partition_(partition), at_(from), to_(to) {}

  // Makes peek() the next match, if there is one within the budget.
  Status Fill() {
    while (matches_.empty() && !exhausted() && !walk_.Spent()) TRY(ReadWindow());
    return {};
  }
  bool has_match() const { return !matches_.empty(); }
  bool exhausted() const { return walk_.options_.newest_first ? at_ <= to_ : at_ >= to_; }
  const Step& peek() const { return matches_.front(); }
  // Its memory stays until the next Fill().
  Step Take() {
    const Step step = matches_.front();
    matches_.pop_front();
    return step;
  }

  // Where to go on: at what was found and not taken, else after what was looked at.
  Offset place() const {
    if (matches_.empty()) return at_;
    const Offset found = matches_.front().record.offset;
    return walk_.options_.newest_first ? found + 1 : found;
  }

 private:
  Status ReadWindow() {
    chunks_.clear();
    const bool back = walk_.options_.newest_first;
    const Offset size = std::min(window_, std::max<Offset>(walk_.left_.records, 1));
    const Offset low = back ? (at_ - to_ > size ? at_ - size : to_) : at_;
    const Offset high = back ? at_ : std::min(to_, at_ + size);
    const std::uint64_t bytes_before = walk_.left_.bytes;
    TRY_ASSIGN(const Offset next, Collect(low, high));
    if (back) std::ranges::reverse(matches_);
    at_ = back ? low : std::min(to_, next);
    const std::uint64_t bytes = bytes_before - walk_.left_.bytes;
    if (back && bytes == 0) at_ = std::max(to_, walk_.log_.EndBelow(partition_, low));
    Adapt(bytes);
    return {};
  }

  // Returns where the log goes on: `high`, or the record after a leap.
  Result<Offset> Collect(Offset low, Offset high) {
    Offset after = high;
    const std::vector<bool> repeats = walk_.verdicts_.Duplicates(partition_, low, high);
    for (Offset next = low; next < high;) {
      auto chunk = walk_.log_.Read(partition_, next, kWalkReadBytes);
      if (!chunk && chunk.error().code() == ErrorCode::kNotFound) return high;
      if (!chunk) return Fail(chunk.error());
      const std::size_t found_before = matches_.size();
      for (const log::RecordView& record : (*chunk)->From(next)) {
        if (record.offset >= high) {
          after = record.offset;
          break;
        }
        walk_.Count(record);
        const bool duplicate = repeats[record.offset - low];
        if (duplicate && !walk_.options_.duplicates) continue;
        if (walk_.filter_.Matches(record.fields)) matches_.push_back({record, duplicate});
      }
      next = (*chunk)->end();
      if (matches_.size() > found_before) chunks_.push_back(*std::move(chunk));
    }
    return after;
  }

  void Adapt(std::uint64_t bytes) {
    if (bytes < kWindowBytesFew) window_ = std::min(window_ * 2, kWindowRecordsMax);
    if (bytes > kWindowBytesMany) window_ = std::max(window_ / 2, kWindowRecordsMin);
  }

  EventWalk& walk_;
  const Partition partition_;
  Offset at_;
  const Offset to_;
  Offset window_ = kWindowRecordsMin;
  std::deque<Step> matches_;                               // in the order of the walk
  std::vector<std::shared_ptr<const log::Chunk>> chunks_;  // whose memory the matches are
};

EventWalk::EventWalk(log::Log& log, const log::Verdicts& verdicts, EventFilter filter,
                     WalkOptions options, WalkBudget budget, WalkPlaces from, const WalkPlaces& to)
    : log_(log), verdicts_(verdicts), filter_(std::move(filter)), options_(options), left_(budget) {
  CHECK_OP(from.size(), ==, to.size());
  for (Partition p = 0; p < from.size(); ++p) {
    parts_.push_back(std::make_unique<Part>(*this, p, from[p], to[p]));
  }
}

EventWalk::~EventWalk() = default;

bool EventWalk::Spent() const {
  return left_.records == 0 || left_.bytes == 0;
}

void EventWalk::Count(const log::RecordView& record) {
  constexpr std::uint64_t kHeaderBytes = 64;
  left_.records -= std::min<std::uint64_t>(left_.records, 1);
  left_.bytes -= std::min<std::uint64_t>(left_.bytes, record.payload.size() + kHeaderBytes);
}

Result<std::optional<EventWalk::Step>> EventWalk::Next() {
  Part* best = nullptr;
  for (const auto& part : parts_) {
    TRY(part->Fill());
    if (!part->has_match()) {
      // Without knowing what comes next here, nothing can be said to come before it.
      if (!part->exhausted()) return std::nullopt;
      continue;
    }
    if (best == nullptr || Before(part->peek(), best->peek())) best = part.get();
  }
  if (best == nullptr) return std::nullopt;
  return best->Take();
}

bool EventWalk::Before(const Step& a, const Step& b) const {
  const UnixMicros a_us = a.record.fields.received_at_us;
  const UnixMicros b_us = b.record.fields.received_at_us;
  return options_.newest_first ? a_us > b_us : a_us < b_us;
}

bool EventWalk::ended() const {
  return std::ranges::all_of(
      parts_, [](const auto& part) { return part->exhausted() && !part->has_match(); });
}

WalkPlaces EventWalk::places() const {
  WalkPlaces places;
  for (const auto& part : parts_) places.push_back(part->place());
  return places;
}

}  // namespace tributary::control
