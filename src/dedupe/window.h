// Which ids were seen before, among the runs on disk that are still inside the window: the last
// `window_s` seconds or the last `max_ids` ids, whichever is shorter.
//
// Each run's ids are in a filter of its generation; a run that has not been loaded into one yet
// (after a start) is searched itself, so an answer never waits for a load and is never wrong.
// Runs leave whole by count (at least max_ids are remembered) and by the second by time; both
// depend on the record alone, so a verdict comes out the same however often it is made.
//
// One thread (the dedupe thread), but for MayHold().
#pragma once

#include <deque>
#include <memory>
#include <shared_mutex>
#include <span>
#include <vector>

#include "dedupe/id_filter.h"
#include "dedupe/repeat_set.h"
#include "dedupe/run_file.h"

namespace tributary::dedupe {

using RunPtr = std::shared_ptr<const Run>;

struct WindowOptions {
  std::int64_t window_s = 86'400;
  std::uint64_t max_ids = 0;
  std::size_t filter_bytes_max = 0;
  std::uint64_t seed = 0;
};

// When and where the record stands whose id is asked for.
struct Moment {
  std::int64_t received_s = 0;
  std::uint64_t ids_before = 0;  // ids of the partition before it
  log::Offset run_first = 0;     // only runs that end at or before this are looked at
};

class Window {
 public:
  // Filters grow from the first size to an eighth of the budget, doubling. Should they not fit all
  // the same (segments of few ids and of many in turn), the oldest runs do without one.
  static constexpr std::size_t kFirstCells = 1U << 17;
  static constexpr std::size_t kFewestCells = 64;
  static constexpr std::size_t kGenerations = 8;
  static constexpr unsigned kBytesPerId =
      4;  // budget: cells, half-filled and half-left generations

  explicit Window(WindowOptions options) : options_(options) {}
  // How many ids a budget can serve, whatever was asked for.
  static std::uint64_t IdsServed(std::size_t filter_bytes) { return filter_bytes / kBytesPerId; }

  // A run that begins where the last one ends, or later. Its entries are loaded if they are given
  // and nothing older waits to be loaded.
  void Add(const RunPtr& run, const std::vector<IdEntry>* entries);
  // A run written anew: in the place of the one that began there, or, where one was missing, in
  // order among those that wait to be loaded.
  void Put(const RunPtr& run);

  void Prefetch(const Hash128& id) const;
  // kCorrupt names the run in damaged().
  Result<bool> SeenBefore(const Hash128& id, const Moment& moment);
  const RunPtr& damaged() const { return damaged_; }

  // Takes out of `runs` those that surely hold none of `ids`, as an original or, with kAny, as a
  // repeat: whoever looks for all of an id opens few files however many there are. What is not in a
  // filter stays. Any thread.
  enum class As { kOriginal, kAny };
  void KeepThoseThatMayHold(std::span<const Hash128> ids, As as, std::vector<RunPtr>& runs) const;

  // Lets go of what is outside for this and every later moment.
  void Advance(const Moment& moment);
  bool Outside(const RunInfo& run, const Moment& moment) const;

  // Loads the next waiting run into a filter.
  bool waiting() const { return loaded_ < runs_.size(); }
  Status LoadOne();

  std::size_t filter_bytes() const;
  std::size_t generations() const { return generations_.size(); }
  std::size_t runs() const { return runs_.size(); }
  std::int64_t oldest_s(std::int64_t otherwise) const;

  struct Counts {
    std::uint64_t closed_by_age = 0;  // runs that left because they were too old
    std::uint64_t closed_by_ids = 0;  // … because max_ids newer ids were there
    std::uint64_t searched = 0;       // runs looked into
    std::uint64_t found = 0;          // … that had the id
  };
  const Counts& counts() const { return counts_; }

 private:
  struct Generation {
    std::unique_ptr<IdFilter> filter;  // null: it did not fit, any of the runs may hold any id
    std::vector<RunPtr> runs;          // by their number in the filter, oldest first
    std::vector<RepeatSet> repeats;    // of each of them

    std::uint64_t RunsOf(const Hash128& id) const {
      return filter != nullptr ? filter->RunsOf(id) : ~0ULL >> (IdFilter::kRunsMax - runs.size());
    }
  };
  enum class Answer { kAbsent, kRepeat, kTooOld };

  Result<Answer> Ask(const RunPtr& run, const Hash128& id, const Moment& moment);
  void Fill(const RunPtr& run, const std::vector<IdEntry>& entries);
  Generation& GenerationFor(std::size_t ids);
  std::size_t NextCells(std::size_t ids) const;
  void MakeRoom(std::size_t bytes);

  const WindowOptions options_;
  // Held to change the generations, and by other threads to look at them. The dedupe thread, which
  // alone changes them, looks without it.
  mutable std::shared_mutex generations_mutex_;
  std::deque<RunPtr> runs_;  // oldest first; the first loaded_ of them are in generations_
  std::size_t loaded_ = 0;
  std::deque<Generation> generations_;
  RunPtr damaged_;
  Counts counts_;
};

}  // namespace tributary::dedupe
