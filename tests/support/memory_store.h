// A store in memory behind the door of the real one, with the crash rules of a write-ahead log:
// Crash(seed) keeps every batch that was synced and, of those written after it, a prefix chosen by
// the seed; never a part of a batch, never a later one without an earlier one.
//
// Why the simulation uses this and not RocksDB: docs/adr/0002-simulated-store.md. Both pass the
// same contract tests (store/store_contract_test.cc).
//
// Threads: any; one mutex. The visitor of a scan runs without it, on a copy of the range.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "store/store.h"

namespace tributary::test {

struct MemoryStoreOptions {
  // A derived batch may be applied twice by an engine that retries (DynamoDB): do it always.
  bool apply_twice = false;
  // With `slot_of`: a batch whose derived keys lie in more than one range of this many slots, or
  // in none, is refused with kInvalid (store::keys::SlotOfDerived is the function to pass).
  std::function<std::optional<std::uint8_t>(std::string_view key)> slot_of;
  unsigned slots_per_range = 64;
};

class MemoryStore final : public store::Store {
 public:
  explicit MemoryStore(MemoryStoreOptions options = {}) : options_(std::move(options)) {}

  Status Write(const store::Batch& batch, store::Sync sync) override;
  Result<std::optional<std::string>> Get(store::Family family, std::string_view key) const override;
  Status Scan(store::Family family, std::string_view begin, std::string_view end, bool reverse,
              const Visitor& visitor) const override;
  Status WipeDerived() override;
  Status Checkpoint(const std::string& dir) override;
  std::string failure() const override;

  // Power loss and restart: what was not synced is kept up to a point chosen by `seed`.
  void Crash(std::uint64_t seed);
  // The same, keeping exactly the first `unsynced_kept` batches of those not synced.
  void CrashKeeping(std::size_t unsynced_kept);
  // The next write fails, and with it every later one until Crash().
  void FailWrites(std::string reason);

  std::size_t unsynced_batches() const;
  // Every key and value of both families in order: equal states have equal dumps.
  std::string Dump() const;

 private:
  using Map = std::map<std::string, std::string, std::less<>>;
  struct State {
    std::array<Map, 2> families;
    void Apply(const store::Batch& batch);
  };

  Status RefuseWide(const store::Batch& batch) const;
  void CrashLocked(std::size_t unsynced_kept);

  const MemoryStoreOptions options_;
  mutable std::mutex mutex_;
  State now_;                           // what readers see
  State synced_;                        // what a crash cannot take
  std::vector<store::Batch> unsynced_;  // in between, in order
  std::string fail_next_;
  std::string failure_;
};

}  // namespace tributary::test
