// One file of the delivery log: a header, then blocks. Grows at its end only.
//
// Threads: Append and Sync by one thread, Read by any, also meanwhile. May block.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "deliver/delivery_log_block.h"
#include "os/fs.h"

namespace tributary::deliver {

inline constexpr std::uint64_t kDeliveryFileHeadBytes = 16;
// What the names of the files end with: of one that is merged, and of one that still grows.
inline constexpr std::string_view kArchiveSuffix = ".dlog";
inline constexpr std::string_view kLiveSuffix = ".live";

class DeliveryLogFile {
 public:
  struct Block {
    std::uint64_t position = 0;
    BlockHeader header;
  };
  struct Damage {
    std::uint64_t position = 0;
    std::string what;
  };
  struct Opened {
    std::unique_ptr<DeliveryLogFile> file;
    std::vector<Block> blocks;
    std::vector<Damage> damage;  // in the middle: a block follows
    std::vector<Damage> tail;    // after the last block: a torn end, or damage
    std::uint64_t whole_bytes = kDeliveryFileHeadBytes;  // of the head and `blocks`
  };
  enum class Opening : std::uint8_t {
    kHeaders,  // payloads are not looked at, nothing is changed
    kCheck,    // payloads too, nothing is changed
    kCut,      // payloads too; the tail is cut off, to append
  };
  // A new one; durable with its directory.
  static Result<std::unique_ptr<DeliveryLogFile>> Create(os::FileSystem& fs, const std::string& dir,
                                                         const std::string& name);
  // Finds the blocks; damaged ones are passed over. kUnsupported for another version, kCorrupt when
  // its head is damaged. With kCut one that was only just being made gets its head.
  static Result<Opened> Open(os::FileSystem& fs, const std::string& path, Opening how);

  // Where the block went; on failure nothing of it counts.
  Result<std::uint64_t> Append(std::string_view block);
  Status Sync();
  Result<std::string> ReadPayload(const Block& block) const;
  std::uint64_t bytes() const { return bytes_; }
  const std::string& path() const { return path_; }

 private:
  DeliveryLogFile(std::string path, std::unique_ptr<os::File> file)
      : path_(std::move(path)), file_(std::move(file)) {}
  Status WriteHead();
  Status Scan(bool check_payloads, std::uint64_t size, Opened& out) const;
  Result<std::optional<BlockHeader>> HeaderAt(std::uint64_t position, std::uint64_t size) const;
  Result<std::uint64_t> NextBlock(std::uint64_t from, std::uint64_t size) const;

  const std::string path_;
  const std::unique_ptr<os::File> file_;
  std::atomic<std::uint64_t> bytes_ = 0;
};

}  // namespace tributary::deliver
