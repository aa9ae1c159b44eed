#include "store/rocks_options.h"

#include <rocksdb/cache.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/listener.h>
#include <rocksdb/table.h>

#include <cstdarg>
#include <cstdio>

#include "base/logging.h"

namespace tributary::store {
namespace {

constexpr std::size_t kArenaBlockBytes = 64 << 10;
constexpr std::size_t kTableFileBytes = 16 << 20;
constexpr std::size_t kLevelBytes = 64 << 20;
constexpr int kFilterBitsPerKey = 10;

// RocksDB's warnings become log lines of ours; the rest is dropped. Without a logger of ours
// RocksDB would keep LOG files of its own in the data directory and write its options at each
// start.
class LineLogger final : public rocksdb::Logger {
 public:
  LineLogger() : Logger(rocksdb::InfoLogLevel::WARN_LEVEL) {}
  using Logger::Logv;
  void Logv(const char*, va_list) override {}
  void Logv(const rocksdb::InfoLogLevel level, const char* format, va_list args) override {
    if (level < rocksdb::InfoLogLevel::WARN_LEVEL || level >= rocksdb::InfoLogLevel::HEADER_LEVEL) {
      return;
    }
    char text[1024];
    std::vsnprintf(text, sizeof text, format, args);
    const bool warning = level == rocksdb::InfoLogLevel::WARN_LEVEL;
    LogLine(warning ? LogLevel::kWarn : LogLevel::kError, "rocksdb", {{"message", text}});
  }
  void LogHeader(const char*, va_list) override {}
};

// A flush that fails leaves RocksDB read-only; health must say so before the next write finds out.
class FailureListener final : public rocksdb::EventListener {
 public:
  explicit FailureListener(std::shared_ptr<StickyFailure> failure) : failure_(std::move(failure)) {}
  void OnBackgroundError(rocksdb::BackgroundErrorReason, rocksdb::Status* status) override {
    // Soft errors (a compaction without space) are tried again by RocksDB itself; writes go on.
    if (status->severity() < rocksdb::Status::Severity::kHardError) return;
    failure_->Set(ToError(*status, "store: background work").ToString());
  }

 private:
  std::shared_ptr<StickyFailure> failure_;
};

void LimitMemory(const StoreOptions& options, rocksdb::DBOptions& out) {
  out.max_open_files = options.open_files_max;
  out.db_write_buffer_size = options.write_buffer_bytes * 3;
  out.max_total_wal_size = options.write_buffer_bytes * 4;
  out.writable_file_max_buffer_size = 256 << 10;
  out.table_cache_numshardbits = 2;
  out.max_background_jobs = 2;
  out.max_subcompactions = 1;
}

void OpenFast(rocksdb::DBOptions& out) {
  out.max_file_opening_threads = 1;
  out.skip_stats_update_on_db_open = true;
  out.skip_checking_sst_file_sizes_on_db_open = true;
  // What the write-ahead log held is kept in memory instead of written as a table at each start.
  out.avoid_flush_during_recovery = true;
}

}  // namespace

rocksdb::DBOptions RocksDbOptions(const StoreOptions& options,
                                  std::shared_ptr<StickyFailure> failure) {
  rocksdb::DBOptions out;
  out.create_if_missing = true;
  out.create_missing_column_families = true;
  out.paranoid_checks = true;
  // The crash rule of store.h: everything up to the first torn or missing write, nothing after it.
  out.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  LimitMemory(options, out);
  OpenFast(out);
  out.info_log = std::make_shared<LineLogger>();
  out.stats_dump_period_sec = 0;
  out.stats_persist_period_sec = 0;
  out.enable_thread_tracking = false;
  // Closing a file or dropping an iterator never unlinks on the caller's thread.
  out.avoid_unnecessary_blocking_io = true;
  out.bytes_per_sync = 1 << 20;
  out.listeners.push_back(std::make_shared<FailureListener>(std::move(failure)));
  return out;
}

std::shared_ptr<rocksdb::Cache> RocksCache(const StoreOptions& options) {
  constexpr int kShardBits = 2;
  return rocksdb::NewLRUCache(options.block_cache_bytes, kShardBits);
}

rocksdb::ColumnFamilyOptions RocksFamilyOptions(const StoreOptions& options,
                                                const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::ColumnFamilyOptions out;
  out.write_buffer_size = options.write_buffer_bytes;
  // Grown in small steps: an idle program has hardly any state in memory.
  out.arena_block_size = kArenaBlockBytes;
  out.max_write_buffer_number = 2;
  out.target_file_size_base = kTableFileBytes;
  out.max_bytes_for_level_base = kLevelBytes;
  out.level_compaction_dynamic_level_bytes = true;
  out.compression = rocksdb::kLZ4Compression;
  out.bottommost_compression = rocksdb::kZSTD;

  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  // Indexes and filters count against the cache, so that memory stays bounded with any state.
  table.cache_index_and_filter_blocks = true;
  table.cache_index_and_filter_blocks_with_high_priority = true;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(kFilterBitsPerKey));
  table.format_version = 5;
  out.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return out;
}

Error ToError(const rocksdb::Status& status, std::string_view doing) {
  ErrorCode code = ErrorCode::kIo;
  if (status.IsNotFound()) code = ErrorCode::kNotFound;
  if (status.IsCorruption()) code = ErrorCode::kCorrupt;
  if (status.IsNoSpace()) code = ErrorCode::kExhausted;
  if (status.IsInvalidArgument()) code = ErrorCode::kInvalid;
  if (status.IsNotSupported()) code = ErrorCode::kUnsupported;
  return Error(code, std::string(doing) + ": " + status.ToString());
}

}  // namespace tributary::store
