#include "control/tail_reader.h"

#include <algorithm>
#include <charconv>

#include "control/event_entry.h"

namespace tributary::control {

using log::Offset;
using log::Partition;

namespace {

constexpr std::size_t kTailReadBytes = 256 * 1024;

class Reader {
 public:
  Reader(log::Log& log, const log::Verdicts& verdicts, const EventFilter& filter,
         const SourceNames& names, TailPlace place)
      : log_(log), verdicts_(verdicts), filter_(filter), names_(names) {
    step_.place = std::move(place);
  }

  Result<TailStep> Run() {
    for (Partition p = 0; p < log_.partitions(); ++p) {
      TellLost(p);
      TRY(Skip(p));
      if (Behind(p)) break;
      TRY(Read(p));
    }
    for (Partition p = 0; p < log_.partitions(); ++p) {
      step_.more |= next(p) < verdicts_.decided(p);
    }
    return std::move(step_);
  }

 private:
  Offset& next(Partition p) { return step_.place.next[p]; }
  bool Behind(Partition p) {
    const Offset decided = verdicts_.decided(p);
    return decided > next(p) && decided - next(p) > kTailLagRecordsMax;
  }

  // Nobody knows any more which of these would have matched.
  void TellLost(Partition p) {
    const Offset first = std::min(log_.first(p), verdicts_.decided(p));
    if (next(p) >= first) return;
    const Offset lost = first - next(p);
    next(p) = first;
    TellSkipped(lost, "retention");
  }

  Status Skip(Partition p) {
    if (Behind(p)) {
      const Offset until = verdicts_.decided(p) - kTailLagRecordsMax;
      TRY(Scan(p, until, [this](const log::RecordView&) { ++step_.place.skipped; }));
      if (Behind(p)) return {};
    }
    if (step_.place.skipped > 0) {
      TellSkipped(step_.place.skipped, step_.place.resumed ? "look_back" : "slow");
    }
    step_.place.skipped = 0;
    step_.place.resumed = false;
    return {};
  }

  Status Read(Partition p) {
    return Scan(p, verdicts_.decided(p), [this](const log::RecordView& record) {
      step_.text += "id: " + TailId(step_.place.next) +
                    "\nevent: event\ndata: " + EventEntry(record, false, names_) + "\n\n";
    });
  }

  void TellSkipped(std::uint64_t count, std::string_view reason) {
    step_.text += "id: " + TailId(step_.place.next) +
                  "\nevent: skipped\ndata: {\"count\":" + std::to_string(count) + ",\"reason\":\"" +
                  std::string(reason) + "\"}\n\n";
  }

  // Calls `each` for what matches below `until`, as far as this step goes.
  template <class Each>
  Status Scan(Partition p, Offset until, Each each) {
    while (next(p) < until && records_ < kTailStepRecordsMax &&
           step_.text.size() < kTailPieceBytes) {
      const auto chunk = log_.Read(p, next(p), kTailReadBytes);
      if (!chunk && chunk.error().code() == ErrorCode::kNotFound) {
        next(p) = until;  // what was there is lost
        return {};
      }
      if (!chunk) return Fail(chunk.error());
      next(p) = std::max(next(p), std::min(until, (*chunk)->first()));  // over a leap
      const Offset end = std::min(until, (*chunk)->end());
      const std::vector<bool> repeats = verdicts_.Duplicates(p, next(p), end);
      const Offset begin = next(p);
      for (const log::RecordView& record : (*chunk)->From(begin)) {
        if (record.offset >= end || records_ >= kTailStepRecordsMax ||
            step_.text.size() >= kTailPieceBytes) {
          break;
        }
        ++records_;
        next(p) = record.offset + 1;
        if (!repeats[record.offset - begin] && filter_.Matches(record.fields)) each(record);
      }
      if (next(p) == begin) next(p) = end;  // none of these offsets has a record
    }
    return {};
  }

  log::Log& log_;
  const log::Verdicts& verdicts_;
  const EventFilter& filter_;
  const SourceNames& names_;
  TailStep step_;
  std::uint64_t records_ = 0;
};

std::unexpected<Error> BadId() {
  return Fail(ErrorCode::kInvalid, "Last-Event-ID",
              "Last-Event-ID is not one that this tail gave out");
}

bool ReadNumber(std::string_view& text, std::uint64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

bool ReadChar(std::string_view& text, char c) {
  if (!text.starts_with(c)) return false;
  text.remove_prefix(1);
  return true;
}

}  // namespace

Result<TailStep> ReadTail(log::Log& log, const log::Verdicts& verdicts, const EventFilter& filter,
                          const SourceNames& names, TailPlace place) {
  return Reader(log, verdicts, filter, names, std::move(place)).Run();
}

std::string TailId(const WalkPlaces& next) {
  std::string id;
  for (Partition p = 0; p < next.size(); ++p) {
    if (next[p] == 0) continue;
    id += (id.empty() ? "" : ",") + std::to_string(p) + "-" + std::to_string(next[p] - 1);
  }
  return id;
}

Result<WalkPlaces> ReadTailId(std::string_view id, const log::Log& log) {
  WalkPlaces next(log.partitions());
  do {
    std::uint64_t partition = 0;
    std::uint64_t offset = 0;
    if (!ReadNumber(id, partition) || !ReadChar(id, '-') || !ReadNumber(id, offset)) return BadId();
    if (partition >= next.size() || next[partition] != 0 || offset + 1 == 0) return BadId();
    const auto p = static_cast<Partition>(partition);
    next[p] = std::min(offset + 1, log.committed(p));
  } while (ReadChar(id, ','));
  if (!id.empty()) return BadId();
  return next;
}

}  // namespace tributary::control
