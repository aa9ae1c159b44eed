#include "store/key_file.h"

#include <algorithm>

namespace tributary::store {
namespace {

constexpr std::uint64_t kFileBytesMax = 4096;

}  // namespace

Result<codec::SealKey> OpenKeyFile(os::FileSystem& fs, os::Random& random, const std::string& dir) {
  const std::string path = dir + "/" + std::string(kKeyFileName);
  codec::SealKey key{};
  if (!fs.Exists(path)) {
    random.Fill(key);
    TRY(os::WriteFileAtomic(fs, path, {reinterpret_cast<const char*>(key.data()), key.size()}));
    return key;
  }
  TRY_ASSIGN(const std::string bytes, os::ReadFile(fs, path, kFileBytesMax));
  if (bytes.size() != key.size()) {
    return Fail(ErrorCode::kCorrupt,
                path + " must be " + std::to_string(key.size()) + " bytes and is " +
                    std::to_string(bytes.size()) +
                    ": put the right file back, or move it away and enter all secrets again");
  }
  std::ranges::copy(bytes, reinterpret_cast<char*>(key.data()));
  return key;
}

}  // namespace tributary::store
