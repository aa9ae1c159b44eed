#include "support/memory_store.h"

#include <random>

namespace tributary::test {
namespace {

using store::Batch;
using store::Family;

std::size_t IndexOf(Family family) {
  return family == Family::kOwned ? 0 : 1;
}

}  // namespace

void MemoryStore::State::Apply(const Batch& batch) {
  for (const Batch::Op& op : batch.ops()) {
    Map& map = families[IndexOf(op.family)];
    switch (op.kind) {
      case Batch::Op::Kind::kPut:
        map.insert_or_assign(op.key, op.value);
        break;
      case Batch::Op::Kind::kDelete:
        map.erase(op.key);
        break;
      case Batch::Op::Kind::kDeleteRange:
        if (op.key < op.value) map.erase(map.lower_bound(op.key), map.lower_bound(op.value));
        break;
    }
  }
}

Status MemoryStore::RefuseWide(const Batch& batch) const {
  if (!options_.slot_of) return {};
  std::optional<unsigned> range;
  for (const Batch::Op& op : batch.ops()) {
    if (op.family != Family::kDerived) continue;
    const auto slot = options_.slot_of(op.key);
    if (!slot) return Fail(ErrorCode::kInvalid, "a derived key without a slot");
    const unsigned mine = *slot / options_.slots_per_range;
    if (range.value_or(mine) != mine) {
      return Fail(ErrorCode::kInvalid, "a derived batch spans slot ranges");
    }
    range = mine;
  }
  return {};
}

Status MemoryStore::Write(const Batch& batch, store::Sync sync) {
  const std::lock_guard lock(mutex_);
  if (!failure_.empty()) return Fail(ErrorCode::kUnavailable, failure_);
  if (!fail_next_.empty()) {
    failure_ = std::exchange(fail_next_, {});
    return Fail(ErrorCode::kIo, failure_);
  }
  TRY(RefuseWide(batch));
  now_.Apply(batch);
  if (options_.apply_twice) now_.Apply(batch);
  unsynced_.push_back(batch);
  if (sync == store::Sync::kYes) {
    for (const Batch& waiting : unsynced_) synced_.Apply(waiting);
    unsynced_.clear();
  }
  return {};
}

Result<std::optional<std::string>> MemoryStore::Get(Family family, std::string_view key) const {
  const std::lock_guard lock(mutex_);
  const Map& map = now_.families[IndexOf(family)];
  const auto found = map.find(key);
  if (found == map.end()) return std::nullopt;
  return found->second;
}

Status MemoryStore::Scan(Family family, std::string_view begin, std::string_view end, bool reverse,
                         const Visitor& visitor) const {
  std::vector<std::pair<std::string, std::string>> rows;
  {
    const std::lock_guard lock(mutex_);
    const Map& map = now_.families[IndexOf(family)];
    if (!end.empty() && end <= begin) return {};
    rows.assign(map.lower_bound(begin), end.empty() ? map.end() : map.lower_bound(end));
  }
  if (reverse) std::reverse(rows.begin(), rows.end());
  for (const auto& [key, value] : rows) {
    if (visitor(key, value) == store::Visit::kStop) break;
  }
  return {};
}

// Like the real one's, durable at once: it needs no write-ahead log.
Status MemoryStore::WipeDerived() {
  const std::lock_guard lock(mutex_);
  if (!failure_.empty()) return Fail(ErrorCode::kUnavailable, failure_);
  const std::size_t derived = IndexOf(Family::kDerived);
  now_.families[derived].clear();
  synced_.families[derived].clear();
  std::vector<Batch> kept;
  for (const Batch& batch : unsynced_) {
    Batch owned;
    for (const Batch::Op& op : batch.ops()) {
      if (op.family != Family::kOwned) continue;
      if (op.kind == Batch::Op::Kind::kPut) owned.Put(op.family, op.key, op.value);
      if (op.kind == Batch::Op::Kind::kDelete) owned.Delete(op.family, op.key);
      if (op.kind == Batch::Op::Kind::kDeleteRange) owned.DeleteRange(op.family, op.key, op.value);
    }
    kept.push_back(std::move(owned));
  }
  unsynced_ = std::move(kept);
  return {};
}

Status MemoryStore::Checkpoint(const std::string&) {
  return Fail(ErrorCode::kUnsupported, "a store in memory has no files to copy");
}

std::string MemoryStore::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

void MemoryStore::Crash(std::uint64_t seed) {
  const std::lock_guard lock(mutex_);
  std::mt19937_64 random(seed);
  CrashLocked(std::uniform_int_distribution<std::size_t>(0, unsynced_.size())(random));
}

void MemoryStore::CrashKeeping(std::size_t unsynced_kept) {
  const std::lock_guard lock(mutex_);
  CrashLocked(std::min(unsynced_kept, unsynced_.size()));
}

void MemoryStore::CrashLocked(std::size_t unsynced_kept) {
  // What recovery finds it also syncs before it serves it, so it is durable from here on.
  for (std::size_t i = 0; i < unsynced_kept; ++i) synced_.Apply(unsynced_[i]);
  unsynced_.clear();
  now_ = synced_;
  fail_next_.clear();
  failure_.clear();
}

void MemoryStore::FailWrites(std::string reason) {
  const std::lock_guard lock(mutex_);
  fail_next_ = std::move(reason);
}

std::size_t MemoryStore::unsynced_batches() const {
  const std::lock_guard lock(mutex_);
  return unsynced_.size();
}

std::string MemoryStore::Dump() const {
  const std::lock_guard lock(mutex_);
  std::string out;
  for (std::size_t family = 0; family < now_.families.size(); ++family) {
    for (const auto& [key, value] : now_.families[family]) {
      out += std::to_string(family) + " " + std::to_string(key.size()) + ":" + key + " " +
             std::to_string(value.size()) + ":" + value + "\n";
    }
  }
  return out;
}

}  // namespace tributary::test
