#include "log/oldest_mark.h"

#include "base/bytes.h"
#include "base/crc32c.h"

namespace tributary::log {
namespace {

constexpr std::string_view kMarkMagic = "TRIBOLD\n";
constexpr std::size_t kMarkBytes = 24;
constexpr std::uint32_t kVersion = 1;

}  // namespace

Status WriteOldestMark(os::FileSystem& fs, const std::string& dir, Offset oldest) {
  std::string bytes(kMarkMagic);
  AppendLe(bytes, oldest);
  AppendLe(bytes, kVersion);
  AppendLe(bytes, Crc32c(bytes));
  return os::WriteFileAtomic(fs, dir + "/" + kOldestMarkName, bytes);
}

Result<Offset> ReadOldestMark(os::FileSystem& fs, const std::string& dir) {
  const auto bytes = os::ReadFile(fs, dir + "/" + kOldestMarkName, 4096);
  if (!bytes && bytes.error().code() == ErrorCode::kNotFound) return Offset{0};
  if (!bytes) return Fail(bytes.error());
  if (bytes->size() != kMarkBytes || !bytes->starts_with(kMarkMagic) ||
      LoadLe<std::uint32_t>(bytes->data() + 20) != Crc32c(std::string_view(*bytes).substr(0, 20))) {
    return Fail(ErrorCode::kCorrupt, "the mark of the oldest offset is damaged");
  }
  if (LoadLe<std::uint32_t>(bytes->data() + 16) != kVersion) {
    return Fail(ErrorCode::kUnsupported, "the mark of the oldest offset is of an unknown version");
  }
  return LoadLe<Offset>(bytes->data() + 8);
}

}  // namespace tributary::log
