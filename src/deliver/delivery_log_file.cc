#include "deliver/delivery_log_file.h"

#include "base/bytes.h"
#include "base/crc32c.h"

namespace tributary::deliver {
namespace {

constexpr std::string_view kFileMagic = "TRIBDLV\n";
constexpr std::uint32_t kFileVersion = 1;

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
                                                      bool cut) {
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
  file.bytes_ = kDeliveryFileHeadBytes;
  TRY_ASSIGN(out.blocks, file.Scan(cut));
  if (cut && size > file.bytes_) TRY(file.file_->Truncate(file.bytes_));
  return out;
}

// Block after block until one is not whole; bytes_ is then where it begins.
Result<std::vector<DeliveryLogFile::Block>> DeliveryLogFile::Scan(bool check_payloads) {
  std::vector<Block> blocks;
  TRY_ASSIGN(const std::uint64_t size, file_->Size());
  while (bytes_ < size) {
    TRY_ASSIGN(std::string bytes, ReadAt(*file_, bytes_, kBlockFixedBytes));
    const auto header_bytes = BlockHeaderBytes(bytes);
    if (!header_bytes || bytes_ + *header_bytes > size) break;
    TRY_ASSIGN(bytes, ReadAt(*file_, bytes_, *header_bytes));
    auto header = DecodeBlockHeader(bytes);
    if (!header || bytes_ + header->bytes() > size) break;
    Block block{.position = bytes_, .header = *std::move(header)};
    if (check_payloads) {
      TRY_ASSIGN(const std::string payload, ReadPayload(block));
      if (Crc32c(payload) != block.header.payload_crc) break;
    }
    bytes_ += block.header.bytes();
    blocks.push_back(std::move(block));
  }
  return blocks;
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
