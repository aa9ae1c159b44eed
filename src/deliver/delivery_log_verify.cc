#include "deliver/delivery_log_verify.h"

#include <algorithm>
#include <iterator>

#include "deliver/delivery_log_file.h"

namespace tributary::deliver {
namespace {

class Verifier {
 public:
  Verifier(os::FileSystem& fs, std::string dir) : fs_(fs), dir_(std::move(dir)) {}

  Result<DeliveryLogReport> Run() {
    auto names = fs_.List(dir_);
    if (!names && names.error().code() == ErrorCode::kNotFound) return report_;
    if (!names) return Fail(names.error());
    std::ranges::sort(*names);
    std::string newest;
    for (const std::string& name : *names) {
      if (name.ends_with(kArchiveSuffix)) newest = name;
    }
    for (const std::string& name : *names) {
      const bool live = name.ends_with(kLiveSuffix);
      if (!live && !name.ends_with(kArchiveSuffix)) continue;
      TRY(Check(name, live || name == newest));
    }
    return std::move(report_);
  }

 private:
  Status Check(const std::string& name, bool may_be_torn) {
    const std::string path = dir_ + "/" + name;
    TRY_ASSIGN(const os::FileInfo info, fs_.Info(path));
    ++report_.files;
    if (info.bytes < kDeliveryFileHeadBytes && may_be_torn)
      return {};  // it was only just being made
    auto opened = DeliveryLogFile::Open(fs_, path, DeliveryLogFile::Opening::kCheck);
    if (!opened && opened.error().code() == ErrorCode::kCorrupt) {
      report_.damage.push_back({name, 0, "its head is damaged"});
      return {};
    }
    if (!opened) return Fail(opened.error());
    report_.bytes += opened->whole_bytes;
    if (!may_be_torn) std::ranges::move(opened->tail, std::back_inserter(opened->damage));
    for (const auto& damage : opened->damage) {
      report_.damage.push_back({name, damage.position, damage.what});
    }
    for (const DeliveryLogFile::Block& block : opened->blocks) {
      TRY_ASSIGN(const bool whole, CanBeRead(*opened->file, block));
      if (whole) report_.attempts += block.header.rows;
      if (!whole) report_.damage.push_back({name, block.position, "a block is damaged"});
    }
    return {};
  }

  Result<bool> CanBeRead(const DeliveryLogFile& file, const DeliveryLogFile::Block& block) {
    TRY_ASSIGN(const std::string payload, file.ReadPayload(block));
    AttemptRows rows;
    const Status decoded = DecodeBlock(block.header, payload, decompressor_, rows);
    if (!decoded && decoded.error().code() != ErrorCode::kCorrupt) return Fail(decoded.error());
    return decoded.has_value();
  }

  os::FileSystem& fs_;
  const std::string dir_;
  codec::ZstdDecompressor decompressor_;
  DeliveryLogReport report_;
};

}  // namespace

Result<DeliveryLogReport> VerifyDeliveryLog(os::FileSystem& fs, const std::string& dir) {
  return Verifier(fs, dir).Run();
}

}  // namespace tributary::deliver
