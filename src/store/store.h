// The door of the store: ordered keys and values in two families, written in atomic batches.
//
// Families: kOwned is state that exists nowhere else (destinations, keys, delivery outcomes,
// queues); it is synced before anyone is answered and never wiped. kDerived can be thrown away and
// rebuilt from the log.
//
// Durability: Write(batch, Sync::kYes) returns after the batch and every batch before it are on
// disk. With Sync::kNo a crash of the process loses nothing, a power loss may lose it together with
// everything after it, never a part of a batch, never out of order.
//
// Contract for what comes later (DynamoDB): a derived batch touches one slot range plus its cursor
// and may be applied twice, so writes are idempotent merges; no caller may assume a wider
// transaction. tests/support has a store that applies each batch twice and refuses wide ones.
//
// Threads: everything from any thread. Reads may block on the disk; an event loop reads only keys
// it knows to be few and hot.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tributary::store {

enum class Family : std::uint8_t { kOwned, kDerived };
enum class Sync { kYes, kNo };

// Changes that happen together or not at all, in the order given.
class Batch {
 public:
  struct Op {
    enum class Kind : std::uint8_t { kPut, kDelete, kDeleteRange };
    Kind kind;
    Family family;
    std::string key;    // of kDeleteRange: first
    std::string value;  // of kDeleteRange: one past the last
  };
  void Put(Family family, std::string key, std::string value) {
    ops_.push_back({Op::Kind::kPut, family, std::move(key), std::move(value)});
  }
  void Delete(Family family, std::string key) {
    ops_.push_back({Op::Kind::kDelete, family, std::move(key), {}});
  }
  void DeleteRange(Family family, std::string begin, std::string end) {
    ops_.push_back({Op::Kind::kDeleteRange, family, std::move(begin), std::move(end)});
  }
  void Append(Batch other) {
    for (Op& op : other.ops_) ops_.push_back(std::move(op));
  }
  const std::vector<Op>& ops() const { return ops_; }
  bool empty() const { return ops_.empty(); }

 private:
  std::vector<Op> ops_;
};

enum class Visit { kContinue, kStop };

class Store {
 public:
  virtual ~Store() = default;

  // After a failed write the store takes no more writes (kUnavailable) until restart.
  virtual Status Write(const Batch& batch, Sync sync) = 0;
  virtual Result<std::optional<std::string>> Get(Family family, std::string_view key) const = 0;

  // Visits keys in [begin, end) in byte order, or from the last to the first with `reverse`.
  // An empty `end` means no upper bound. Sees a state no older than the start of the call.
  using Visitor = std::function<Visit(std::string_view key, std::string_view value)>;
  virtual Status Scan(Family family, std::string_view begin, std::string_view end, bool reverse,
                      const Visitor& visitor) const = 0;
  Status ScanPrefix(Family family, std::string_view prefix, const Visitor& visitor) const;

  // Forgets everything derived (it will be rebuilt from the log).
  virtual Status WipeDerived() = 0;
  // A consistent copy into a new directory, by hard links where possible (backup).
  virtual Status Checkpoint(const std::string& dir) = 0;
  // "" while writes work, else why they do not.
  virtual std::string failure() const = 0;
};

// The first key after every key that begins with `prefix`; empty when there is none.
std::string PrefixEnd(std::string_view prefix);

// RocksDB in `dir` (DATA/store), created if absent.
struct StoreOptions {
  std::string dir;
  std::size_t write_buffer_bytes = 8 << 20;
  std::size_t block_cache_bytes = 8 << 20;
  int open_files_max = 256;
};
Result<std::unique_ptr<Store>> OpenRocksStore(const StoreOptions& options);

}  // namespace tributary::store
