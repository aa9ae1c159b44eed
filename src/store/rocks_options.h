// How RocksDB is set up: for a program that is small when idle and opens at once, on one disk that
// it shares with the log. Included by .cc files of this folder only (it pulls in rocksdb headers).
#pragma once

#include <rocksdb/options.h>

#include <memory>

#include "base/result.h"
#include "store/rocks_store.h"
#include "store/store.h"

namespace tributary::store {

rocksdb::DBOptions RocksDbOptions(const StoreOptions& options,
                                  std::shared_ptr<StickyFailure> failure);
// One block cache is shared by both families.
rocksdb::ColumnFamilyOptions RocksFamilyOptions(const StoreOptions& options,
                                                const std::shared_ptr<rocksdb::Cache>& cache);
std::shared_ptr<rocksdb::Cache> RocksCache(const StoreOptions& options);

// RocksDB's status as an error of ours; `doing` says what was tried. Must not be OK.
Error ToError(const rocksdb::Status& status, std::string_view doing);

}  // namespace tributary::store
