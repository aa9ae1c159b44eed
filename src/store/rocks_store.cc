#include "store/rocks_store.h"

#include <rocksdb/db.h>
#include <rocksdb/utilities/checkpoint.h>

#include "base/check.h"
#include "base/logging.h"
#include "os/fs.h"
#include "store/rocks_options.h"

namespace tributary::store {
namespace {

// The first family of a RocksDB must have this name; it is the one that is never dropped.
const std::string& kOwnedName = rocksdb::kDefaultColumnFamilyName;
constexpr const char* kDerivedName = "derived";

rocksdb::Slice ToSlice(std::string_view bytes) {
  return {bytes.data(), bytes.size()};
}
std::string_view ToView(const rocksdb::Slice& bytes) {
  return {bytes.data(), bytes.size()};
}

// RocksDB creates the directory, but does not sync the entry of it in its parent.
Status MakeDir(const std::string& dir) {
  os::FileSystem& fs = os::PosixFileSystem();
  if (fs.Exists(dir)) return {};
  TRY(fs.CreateDir(dir));
  const std::size_t slash = dir.find_last_of('/');
  if (slash == std::string::npos) return fs.SyncDir(".");
  return fs.SyncDir(slash == 0 ? "/" : dir.substr(0, slash));
}

Error OpenError(const rocksdb::Status& status, const std::string& dir) {
  // RocksDB has no code of its own for "another process has it".
  if (status.IsIOError() && status.ToString().find("lock") != std::string::npos) {
    return Error(ErrorCode::kConflict, "the store in " + dir + " is in use: " + status.ToString());
  }
  return ToError(status, "open the store in " + dir);
}

}  // namespace

void StickyFailure::Set(std::string reason) {
  const std::lock_guard lock(mutex_);
  if (failed()) return;
  reason_ = std::move(reason);
  failed_.store(true, std::memory_order_release);
  LogError("store_failed", {{"reason", reason_}});
}

std::string StickyFailure::reason() const {
  const std::lock_guard lock(mutex_);
  return reason_;
}

Result<std::unique_ptr<Store>> OpenRocksStore(const StoreOptions& options) {
  return RocksStore::Open(options);
}

Result<std::unique_ptr<Store>> RocksStore::Open(const StoreOptions& options) {
  TRY(MakeDir(options.dir));
  auto failure = std::make_shared<StickyFailure>();
  const rocksdb::DBOptions db_options = RocksDbOptions(options, failure);
  const auto family_options = RocksFamilyOptions(options, RocksCache(options));
  const std::vector<rocksdb::ColumnFamilyDescriptor> families = {{kOwnedName, family_options},
                                                                 {kDerivedName, family_options}};
  rocksdb::DB* db = nullptr;
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  const rocksdb::Status opened =
      rocksdb::DB::Open(db_options, options.dir, families, &handles, &db);
  if (!opened.ok()) return Fail(OpenError(opened, options.dir));
  CHECK(handles.size() == families.size());
  return std::unique_ptr<Store>(
      new RocksStore(db, Handle(handles[0]), Handle(handles[1]), std::move(failure)));
}

RocksStore::RocksStore(rocksdb::DB* db, Handle owned, Handle derived,
                       std::shared_ptr<StickyFailure> failure)
    : db_(db),
      failure_(std::move(failure)),
      owned_(std::move(owned)),
      derived_(std::move(derived)) {}

RocksStore::~RocksStore() = default;

RocksStore::Handle RocksStore::Pin(Family family) const {
  if (family == Family::kOwned) return owned_;
  const std::lock_guard lock(derived_mutex_);
  return derived_;
}

Status RocksStore::Failed(const rocksdb::Status& status, std::string_view doing) {
  Error error = ToError(status, doing);
  failure_->Set(error.ToString());
  return Fail(std::move(error));
}

Status RocksStore::Write(const Batch& batch, Sync sync) {
  if (failure_->failed()) {
    return Fail(ErrorCode::kUnavailable, "the store takes no writes until restart: " + failure());
  }
  const std::shared_lock no_wipe(wipe_mutex_);
  const Handle derived = Pin(Family::kDerived);
  rocksdb::WriteBatch out;
  for (const Batch::Op& op : batch.ops()) {
    rocksdb::ColumnFamilyHandle* family =
        op.family == Family::kOwned ? owned_.get() : derived.get();
    rocksdb::Status added;
    switch (op.kind) {
      case Batch::Op::Kind::kPut:
        added = out.Put(family, op.key, op.value);
        break;
      case Batch::Op::Kind::kDelete:
        added = out.Delete(family, op.key);
        break;
      case Batch::Op::Kind::kDeleteRange:
        added = out.DeleteRange(family, op.key, op.value);
        break;
    }
    if (!added.ok()) return Fail(ToError(added, "store batch"));  // nothing was written: not final
  }
  rocksdb::WriteOptions options;
  options.sync = sync == Sync::kYes;
  const rocksdb::Status written = db_->Write(options, &out);
  if (!written.ok()) return Failed(written, "store write");
  return {};
}

Result<std::optional<std::string>> RocksStore::Get(Family family, std::string_view key) const {
  const Handle handle = Pin(family);
  std::string value;
  const rocksdb::Status read = db_->Get({}, handle.get(), ToSlice(key), &value);
  if (read.IsNotFound()) return std::nullopt;
  if (!read.ok()) return Fail(ToError(read, "store read"));
  return value;
}

Status RocksStore::Scan(Family family, std::string_view begin, std::string_view end, bool reverse,
                        const Visitor& visitor) const {
  const Handle handle = Pin(family);
  const rocksdb::Slice lower = ToSlice(begin);
  const rocksdb::Slice upper = ToSlice(end);
  rocksdb::ReadOptions options;
  options.iterate_lower_bound = &lower;
  if (!end.empty()) options.iterate_upper_bound = &upper;
  const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(options, handle.get()));
  for (reverse ? it->SeekToLast() : it->SeekToFirst(); it->Valid();
       reverse ? it->Prev() : it->Next()) {
    if (visitor(ToView(it->key()), ToView(it->value())) == Visit::kStop) return {};
  }
  if (!it->status().ok()) return Fail(ToError(it->status(), "store scan"));
  return {};
}

// Dropping the family costs one manifest entry, whatever it held; the files go in the background.
// A crash between drop and create is mended at the next open, which creates missing families.
Status RocksStore::WipeDerived() {
  if (failure_->failed()) return Fail(ErrorCode::kUnavailable, failure());
  const std::unique_lock no_writes(wipe_mutex_);
  const Handle old = Pin(Family::kDerived);
  rocksdb::ColumnFamilyDescriptor descriptor;
  rocksdb::Status status = old->GetDescriptor(&descriptor);
  if (status.ok()) status = db_->DropColumnFamily(old.get());
  if (!status.ok()) return Failed(status, "store wipe");
  rocksdb::ColumnFamilyHandle* created = nullptr;
  status = db_->CreateColumnFamily(descriptor.options, kDerivedName, &created);
  if (!status.ok()) return Failed(status, "store wipe");
  const std::lock_guard lock(derived_mutex_);
  derived_ = Handle(created);
  return {};
}

Status RocksStore::Checkpoint(const std::string& dir) {
  if (os::PosixFileSystem().Exists(dir)) {
    return Fail(ErrorCode::kConflict, "checkpoint: " + dir + " exists");
  }
  rocksdb::Checkpoint* made = nullptr;
  rocksdb::Status status = rocksdb::Checkpoint::Create(db_.get(), &made);
  const std::unique_ptr<rocksdb::Checkpoint> checkpoint(made);
  if (status.ok()) status = checkpoint->CreateCheckpoint(dir);
  if (!status.ok()) return Fail(ToError(status, "checkpoint into " + dir));
  return {};
}

}  // namespace tributary::store
