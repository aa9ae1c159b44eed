// The run that is being gathered: the ids seen since the last run was cut, with their offsets and
// times, as they will stand in the index file.
//
// One thread, or under its owner's lock.
#pragma once

#include <algorithm>
#include <vector>

#include "dedupe/id_table.h"
#include "dedupe/run_file.h"

namespace tributary::dedupe {

class RunBuilder {
 public:
  RunBuilder(log::Partition partition, std::uint32_t ids_max, std::uint64_t seed)
      : table_(ids_max, seed) {
    info_.partition = partition;
  }

  void Start(log::Offset first, std::uint64_t ids_before) {
    info_.first = first;
    info_.ids_before = ids_before;
    table_.Clear();
  }
  void Add(const Hash128& id, log::Offset offset, std::int64_t received_s, bool duplicate) {
    if (table_.entries().empty()) info_.base_s = received_s;
    const auto place = static_cast<std::uint32_t>(offset - info_.first);
    table_.Add({.id = id,
                .place = duplicate ? place | IdEntry::kDuplicateBit : place,
                .received_s = static_cast<std::uint32_t>(received_s - info_.base_s)});
  }

  // Time of the latest original with this id in the run.
  std::optional<std::int64_t> LastSeen(const Hash128& id) const {
    const IdEntry* entry = table_.LatestOriginal(id);
    return entry == nullptr ? std::nullopt : std::optional(info_.base_s + entry->received_s);
  }
  void Prefetch(const Hash128& id) const { table_.Prefetch(id); }

  log::Offset first() const { return info_.first; }
  bool full() const { return table_.full(); }
  std::uint64_t ids_before_next() const { return info_.ids_before + table_.entries().size(); }
  const IdTable& table() const { return table_; }
  std::int64_t base_s() const { return info_.base_s; }

  // The entries below `end` and what the file's header says of them.
  std::pair<RunInfo, std::vector<IdEntry>> UpTo(log::Offset end) const {
    const auto& all = table_.entries();
    const auto last = std::ranges::partition_point(
        all, [&](const IdEntry& e) { return info_.first + e.relative() < end; });
    std::pair<RunInfo, std::vector<IdEntry>> out(info_, {all.begin(), last});
    out.first.end = end;
    out.first.newest_s = info_.base_s + (out.second.empty() ? 0 : out.second.back().received_s);
    return out;
  }
  // Goes on with what is at or after `end`, as a run of its own.
  void ContinueAt(log::Offset end) {
    const RunInfo old = info_;
    const std::vector<IdEntry> all = table_.entries();
    const auto rest = std::ranges::partition_point(
        all, [&](const IdEntry& e) { return old.first + e.relative() < end; });
    Start(end, old.ids_before + static_cast<std::uint64_t>(rest - all.begin()));
    for (auto e = rest; e != all.end(); ++e) {
      Add(e->id, old.first + e->relative(), old.base_s + e->received_s, e->duplicate());
    }
  }

 private:
  RunInfo info_;  // end, newest_s and the counts are made by UpTo
  IdTable table_;
};

}  // namespace tributary::dedupe
