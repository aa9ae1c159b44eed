#include "deliver/delivery_log_file.h"

#include <algorithm>
#include <iterator>

#include "base/bytes.h"
#include "base/crc32c.h"

namespace tributary::deliver {
namespace {

constexpr std::string_view kFileMagic = "TRIBDLV\n";
constexpr std::uint32_t kFileVersion = 1;
constexpr std::size_t kSearchBytes = 1 << 20;  // read at once in search of a block

std::string Head() {
  std::string head(kFileMagic);
  AppendLe(head, kFileVersion);
  AppendLe(head, Crc32c(head));
  return head;
}

Result<std::string> ReadAt(const os::File& file, std::uint64_t position, std::size_t size) {
  std::string bytes(size, '\0');
  TRY_ASSIGN(const std::size_t read, file.ReadAt(position, bytes));
  bytes.resize(read);
  return bytes;
}

}  // namespace

Result<std::unique_ptr<DeliveryLogFile>> DeliveryLogFile::Create(os::FileSystem& fs,
                                                                 const std::string& dir,
                                                                 const std::string& name) {
  TRY_ASSIGN(auto opened, fs.Open(dir + "/" + name, os::OpenMode::kCreate));
  std::unique_ptr<DeliveryLogFile> file(new DeliveryLogFile(dir + "/" + name, std::move(opened)));
  TRY(file->WriteHead());
  TRY(file->Sync());
  TRY(fs.SyncDir(dir));
  return file;
}

Status DeliveryLogFile::WriteHead() {
  TRY(file_->WriteAt(0, Head()));
  bytes_ = kDeliveryFileHeadBytes;
  return {};
}

Result<DeliveryLogFile::Opened> DeliveryLogFile::Open(os::FileSystem& fs, const std::string& path,
                                                      Opening how) {
  const bool cut = how == Opening::kCut;
  TRY_ASSIGN(auto opened, fs.Open(path, cut ? os::OpenMode::kReadWrite : os::OpenMode::kRead));
  Opened out;
  out.file.reset(new DeliveryLogFile(path, std::move(opened)));
  DeliveryLogFile& file = *out.file;
  TRY_ASSIGN(const std::string head, ReadAt(*file.file_, 0, kDeliveryFileHeadBytes));
  TRY_ASSIGN(const std::uint64_t size, file.file_->Size());
  // Its head is synced before anything follows it: a short file was only just being made.
  if (size < kDeliveryFileHeadBytes && cut) {
    TRY(file.file_->Truncate(0));
    TRY(file.WriteHead());
    return out;
  }
  if (head != Head()) {
    const bool whole = head.size() == kDeliveryFileHeadBytes && head.starts_with(kFileMagic) &&
                       LoadLe<std::uint32_t>(head.data() + 12) == Crc32c(head.substr(0, 12));
    if (whole) return Fail(ErrorCode::kUnsupported, path + " is of another version");
    return Fail(ErrorCode::kCorrupt, path + " is no file of the delivery log");
  }
  TRY(file.Scan(how != Opening::kHeaders, size, out));
  file.bytes_ = size;
  if (!cut || out.tail.empty()) return out;
  file.bytes_ = out.tail.front().position;
  TRY(file.file_->Truncate(file.bytes_));
  return out;
}

// Only what no whole block follows can be a torn end; damage before one is damage.
Status DeliveryLogFile::Scan(bool check_payloads, std::uint64_t size, Opened& out) const {
  std::uint64_t at = kDeliveryFileHeadBytes;
  while (at < size) {
    TRY_ASSIGN(auto header, HeaderAt(at, size));
    if (!header) {
      out.tail.push_back({at, "the header of a block is damaged"});
      TRY_ASSIGN(at, NextBlock(at + 1, size));
      continue;
    }
    Block block{.position = at, .header = *std::move(header)};
    at += block.header.bytes();
    if (at > size) {
      out.tail.push_back({block.position, "a block is torn"});
      break;
    }
    if (check_payloads) {
      TRY_ASSIGN(const std::string payload, ReadPayload(block));
      if (Crc32c(payload) != block.header.payload_crc) {
        out.tail.push_back({block.position, "a block is damaged"});
        continue;
      }
    }
    std::ranges::move(out.tail, std::back_inserter(out.damage));
    out.tail.clear();
    out.whole_bytes += block.header.bytes();
    out.blocks.push_back(std::move(block));
  }
  return {};
}

// nullopt when there is none; the payload of one that is there may end past `size`.
Result<std::optional<BlockHeader>> DeliveryLogFile::HeaderAt(std::uint64_t position,
                                                             std::uint64_t size) const {
  TRY_ASSIGN(std::string bytes, ReadAt(*file_, position, kBlockFixedBytes));
  const auto header_bytes = BlockHeaderBytes(bytes);
  if (!header_bytes || position + *header_bytes > size) return std::nullopt;
  TRY_ASSIGN(bytes, ReadAt(*file_, position, *header_bytes));
  return DecodeBlockHeader(bytes);
}

// Where the next block begins that has a whole header and ends in the file; `size` when none does.
Result<std::uint64_t> DeliveryLogFile::NextBlock(std::uint64_t from, std::uint64_t size) const {
  while (from + kBlockFixedBytes <= size) {
    TRY_ASSIGN(const std::string bytes, ReadAt(*file_, from, kSearchBytes));
    if (bytes.size() < kBlockMagic.size()) break;
    for (std::size_t i = 0; (i = bytes.find(kBlockMagic, i)) != std::string::npos; ++i) {
      TRY_ASSIGN(const auto header, HeaderAt(from + i, size));
      if (header && from + i + header->bytes() <= size) return from + i;
    }
    from += bytes.size() - (kBlockMagic.size() - 1);  // one may lie across the seam
  }
  return size;
}

Result<std::uint64_t> DeliveryLogFile::Append(std::string_view block) {
  const std::uint64_t position = bytes_;
  TRY(file_->WriteAt(position, block));
  bytes_ += block.size();
  return position;
}

Status DeliveryLogFile::Sync() {
  return file_->SyncData();
}

Result<std::string> DeliveryLogFile::ReadPayload(const Block& block) const {
  return ReadAt(*file_, block.position + block.header.header_bytes, block.header.payload_bytes);
}

}  // namespace tributary::deliver
