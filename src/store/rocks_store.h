// RocksDB behind the door of the store. Only this folder knows; rocksdb headers stay in the .cc
// files. See store.h for the contract, rocks_options.h for how RocksDB is set up and why.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>

#include "store/store.h"

namespace rocksdb {
class DB;
class ColumnFamilyHandle;
class Status;
}  // namespace rocksdb

namespace tributary::store {

// Why writes have stopped; the first reason wins and stays until the process ends. Shared with
// RocksDB's listener, which reports from RocksDB's own background threads.
class StickyFailure {
 public:
  void Set(std::string reason);
  bool failed() const { return failed_.load(std::memory_order_acquire); }
  std::string reason() const;

 private:
  std::atomic<bool> failed_{false};
  mutable std::mutex mutex_;
  std::string reason_;
};

class RocksStore final : public Store {
 public:
  static Result<std::unique_ptr<Store>> Open(const StoreOptions& options);
  ~RocksStore() override;

  Status Write(const Batch& batch, Sync sync) override;
  Result<std::optional<std::string>> Get(Family family, std::string_view key) const override;
  Status Scan(Family family, std::string_view begin, std::string_view end, bool reverse,
              const Visitor& visitor) const override;
  Status WipeDerived() override;
  Status Checkpoint(const std::string& dir) override;
  std::string failure() const override { return failure_->reason(); }

 private:
  using Handle = std::shared_ptr<rocksdb::ColumnFamilyHandle>;

  RocksStore(rocksdb::DB* db, Handle owned, Handle derived, std::shared_ptr<StickyFailure> failure);
  // Keeps the family readable for as long as the caller holds it, also across a wipe.
  Handle Pin(Family family) const;
  Status Failed(const rocksdb::Status& status, std::string_view doing);

  std::unique_ptr<rocksdb::DB> db_;  // destroyed after the handles below it
  std::shared_ptr<StickyFailure> failure_;
  const Handle owned_;
  mutable std::mutex derived_mutex_;  // guards the pointer only; held for a copy
  Handle derived_;
  // Shared by writes, exclusive to a wipe: a batch must not name a family that is being dropped.
  std::shared_mutex wipe_mutex_;
};

}  // namespace tributary::store
