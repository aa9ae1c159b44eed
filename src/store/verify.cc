#include "store/verify.h"

#include <rocksdb/db.h>
#include <rocksdb/metadata.h>
#include <rocksdb/sst_file_reader.h>

#include <algorithm>

#include "os/fs.h"
#include "store/rocks_options.h"

namespace tributary::store {
namespace {

constexpr std::string_view kTableSuffix = ".sst";

class StoreVerifier {
 public:
  StoreVerifier(const std::string& dir, const std::function<void(std::uint64_t)>& progress)
      : dir_(dir), progress_(progress), options_(OptionsOf(dir)) {}

  Result<StoreReport> Run() {
    std::vector<std::string> tables;
    const rocksdb::Status opened = LiveTables(tables);
    if (!opened.ok() && !IsDamage(opened)) return Fail(ToError(opened, "read the store"));
    if (!opened.ok()) {  // it does not say which table stands in the way
      TRY_ASSIGN(tables, TablesThere());
    }
    for (const std::string& table : tables) TRY(Check(table));
    if (!opened.ok() && report_.damage.empty()) report_.damage.push_back({"", opened.ToString()});
    return std::move(report_);
  }

 private:
  static rocksdb::Options OptionsOf(const std::string& dir) {
    const StoreOptions options{.dir = dir};
    rocksdb::DBOptions db = RocksDbOptions(options, std::make_shared<StickyFailure>());
    db.create_if_missing = false;
    db.create_missing_column_families = false;
    return {db, RocksFamilyOptions(options, RocksCache(options))};
  }

  static bool IsDamage(const rocksdb::Status& status) {
    return status.IsCorruption() || status.IsNotFound() || status.IsPathNotFound() ||
           status.IsInvalidArgument();
  }

  // Of all families: a crash between wiping the derived one and making it anew leaves one less.
  rocksdb::Status LiveTables(std::vector<std::string>& tables) const {
    std::vector<std::string> names;
    rocksdb::Status status = rocksdb::DB::ListColumnFamilies(options_, dir_, &names);
    if (!status.ok()) return status;
    std::vector<rocksdb::ColumnFamilyDescriptor> families;
    families.reserve(names.size());
    for (const std::string& name : names) families.emplace_back(name, options_);
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* db = nullptr;
    status = rocksdb::DB::OpenForReadOnly(options_, dir_, families, &handles, &db);
    if (!status.ok()) return status;
    const std::unique_ptr<rocksdb::DB> owner(db);
    std::vector<rocksdb::LiveFileMetaData> files;
    db->GetLiveFilesMetaData(&files);
    for (const auto& file : files) tables.push_back(file.relative_filename);
    std::ranges::sort(tables);
    for (rocksdb::ColumnFamilyHandle* handle : handles) db->DestroyColumnFamilyHandle(handle);
    return status;
  }

  Result<std::vector<std::string>> TablesThere() const {
    TRY_ASSIGN(auto names, os::PosixFileSystem().List(dir_));
    std::erase_if(names, [](const std::string& name) { return !name.ends_with(kTableSuffix); });
    return names;
  }

  Status Check(const std::string& table) {
    const std::string path = dir_ + "/" + table;
    ++report_.tables;
    const auto info = os::PosixFileSystem().Info(path);
    if (!info) {
      if (info.error().code() != ErrorCode::kNotFound) return Fail(info.error());
      report_.damage.push_back({table, "it is missing"});
      return {};
    }
    rocksdb::Options quiet = options_;
    quiet.info_log = nullptr;  // it warns of each table that it does not know whose it is
    rocksdb::SstFileReader reader(quiet);
    rocksdb::Status status = reader.Open(path);
    if (status.ok()) status = reader.VerifyChecksum();
    if (!status.ok() && !IsDamage(status)) return Fail(ToError(status, "read " + path));
    if (!status.ok()) report_.damage.push_back({table, status.ToString()});
    report_.bytes += info->bytes;
    if (progress_) progress_(info->bytes);
    return {};
  }

  const std::string dir_;
  const std::function<void(std::uint64_t)>& progress_;
  const rocksdb::Options options_;
  StoreReport report_;
};

}  // namespace

Result<StoreReport> VerifyRocksStore(const std::string& dir,
                                     const std::function<void(std::uint64_t)>& progress) {
  return StoreVerifier(dir, progress).Run();
}

}  // namespace tributary::store
