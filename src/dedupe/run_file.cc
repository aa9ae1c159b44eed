#include "dedupe/run_file.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/check.h"
#include "base/crc32c.h"

namespace tributary::dedupe {
namespace {

constexpr std::string_view kMagic = "TRIBIDS1";
constexpr std::string_view kSuffix = ".ids";
constexpr std::size_t kHeaderBytes = 64;  // with its checksum; the rest of block 0 is zeros
constexpr std::size_t kBlockHead = 16;    // checksum, block number, entries, zeros
constexpr std::size_t kBlockEntries = (Run::kBlockBytes - kBlockHead) / sizeof(IdEntry);
static_assert(kBlockHead + kBlockEntries * sizeof(IdEntry) == Run::kBlockBytes);

// Every block's checksum begins with this, so that a block of another file never passes.
std::uint32_t SeedOf(const RunInfo& info) {
  std::string identity;
  AppendLe(identity, info.partition);
  AppendLe(identity, info.first);
  AppendLe(identity, info.end);
  return Crc32c(identity);
}

std::string EncodeHeader(const RunInfo& info) {
  std::string out(kMagic);
  AppendLe(out, info.partition);
  AppendLe(out, info.entries);
  AppendLe(out, info.originals);
  AppendLe(out, info.first);
  AppendLe(out, info.end);
  AppendLe(out, info.base_s);
  AppendLe(out, info.newest_s);
  AppendLe(out, info.ids_before);
  out.append(kHeaderBytes - sizeof(std::uint32_t) - out.size(), '\0');
  AppendLe(out, Crc32c(out));
  out.resize(Run::kBlockBytes, '\0');
  return out;
}

std::optional<RunInfo> DecodeHeader(std::string_view bytes) {
  constexpr std::size_t kCovered = kHeaderBytes - sizeof(std::uint32_t);
  if (bytes.size() < kHeaderBytes || !bytes.starts_with(kMagic)) return std::nullopt;
  if (LoadLe<std::uint32_t>(bytes.data() + kCovered) != Crc32c(bytes.substr(0, kCovered))) {
    return std::nullopt;
  }
  const char* at = bytes.data() + kMagic.size();
  RunInfo info;
  info.partition = LoadLe<std::uint32_t>(at);
  info.entries = LoadLe<std::uint32_t>(at + 4);
  info.originals = LoadLe<std::uint32_t>(at + 8);
  info.first = LoadLe<std::uint64_t>(at + 12);
  info.end = LoadLe<std::uint64_t>(at + 20);
  info.base_s = LoadLe<std::int64_t>(at + 28);
  info.newest_s = LoadLe<std::int64_t>(at + 36);
  info.ids_before = LoadLe<std::uint64_t>(at + 44);
  return info;
}

std::string EncodeBlocks(const RunInfo& info, std::span<const IdEntry> entries) {
  std::string out = EncodeHeader(info);
  const std::uint32_t seed = SeedOf(info);
  for (std::uint32_t number = 1; !entries.empty(); ++number) {
    const std::size_t count = std::min(entries.size(), kBlockEntries);
    std::string block;
    AppendLe(block, number);
    AppendLe(block, static_cast<std::uint32_t>(count));
    AppendLe(block, std::uint32_t{0});
    block.append(reinterpret_cast<const char*>(entries.data()), count * sizeof(IdEntry));
    block.resize(Run::kBlockBytes - sizeof(std::uint32_t), '\0');
    AppendLe(out, Crc32c(block, seed));
    out += block;
    entries = entries.subspan(count);
  }
  return out;
}

}  // namespace

// ---- Files held open ------------------------------------------------------------------------

Result<std::shared_ptr<const os::File>> OpenFiles::Get(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (const auto found = items_.find(path); found != items_.end()) {
    recent_.splice(recent_.begin(), recent_, found->second.place);
    return found->second.file;
  }
  TRY_ASSIGN(std::shared_ptr<const os::File> file, fs_.Open(path, os::OpenMode::kRead));
  if (items_.size() >= kFilesMax) {
    items_.erase(recent_.back());
    recent_.pop_back();
  }
  recent_.push_front(path);
  items_.emplace(path, Item{file, recent_.begin()});
  return file;
}

void OpenFiles::Forget(const std::string& path) {
  const std::lock_guard lock(mutex_);
  const auto found = items_.find(path);
  if (found == items_.end()) return;
  recent_.erase(found->second.place);
  items_.erase(found);
}

std::size_t OpenFiles::size() const {
  const std::lock_guard lock(mutex_);
  return items_.size();
}

// ---- Writing --------------------------------------------------------------------------------

std::string Run::FileName(log::Offset first, log::Offset end) {
  const auto digits = [](log::Offset offset) {
    const std::string number = std::to_string(offset);
    return std::string(20 - number.size(), '0') + number;
  };
  return digits(first) + "-" + digits(end) + std::string(kSuffix);
}

std::optional<Run::Range> Run::ParseFileName(std::string_view name) {
  if (name.size() != 41 + kSuffix.size() || name[20] != '-' || !name.ends_with(kSuffix)) {
    return std::nullopt;
  }
  const auto number = [&](std::size_t at, log::Offset& out) {
    const auto [end, error] = std::from_chars(name.data() + at, name.data() + at + 20, out);
    return error == std::errc() && end == name.data() + at + 20;
  };
  Range range;
  if (!number(0, range.first) || !number(21, range.end)) return std::nullopt;
  return range;
}

Result<std::shared_ptr<const Run>> Run::Write(OpenFiles& files, const std::string& dir,
                                              RunInfo info, std::vector<IdEntry>& entries) {
  std::sort(entries.begin(), entries.end());
  info.entries = static_cast<std::uint32_t>(entries.size());
  info.originals = static_cast<std::uint32_t>(
      std::count_if(entries.begin(), entries.end(), [](const auto& e) { return !e.duplicate(); }));
  const std::string path = dir + "/" + FileName(info.first, info.end);
  TRY(os::WriteFileAtomic(files.fs(), path, EncodeBlocks(info, entries)));
  files.Forget(path);
  return std::shared_ptr<const Run>(new Run(files, path, info));
}

// ---- Reading --------------------------------------------------------------------------------

struct Run::Block {
  std::uint32_t number = 0;
  std::uint32_t count = 0;
  std::array<char, kBlockBytes> bytes;

  IdEntry at(std::uint32_t i) const {
    return LoadLe<IdEntry>(bytes.data() + kBlockHead + i * sizeof(IdEntry));
  }
  Hash128 first() const { return at(0).id; }
  Hash128 last() const { return at(count - 1).id; }
  // Index of the first entry that is not below `id`.
  std::uint32_t LowerBound(const Hash128& id) const {
    std::uint32_t low = 0;
    std::uint32_t high = count;
    while (low < high) {
      const std::uint32_t middle = (low + high) / 2;
      if (at(middle).id < id) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }
};

std::uint32_t Run::blocks() const {
  return static_cast<std::uint32_t>((info_.entries + kBlockEntries - 1) / kBlockEntries);
}

Result<std::shared_ptr<const Run>> Run::Open(OpenFiles& files, const std::string& path) {
  TRY_ASSIGN(const auto file, files.Get(path));
  std::array<char, kHeaderBytes> bytes;
  TRY_ASSIGN(const std::size_t size, file->ReadAt(0, bytes));
  const auto info = DecodeHeader(std::string_view(bytes.data(), size));
  const auto range = ParseFileName(std::string_view(path).substr(path.find_last_of('/') + 1));
  if (!info || !range || range->first != info->first || range->end != info->end) {
    return Fail(ErrorCode::kCorrupt, path + ": its header is damaged");
  }
  std::shared_ptr<const Run> run(new Run(files, path, *info));
  TRY_ASSIGN(const std::uint64_t bytes_there, file->Size());
  if (bytes_there != (run->blocks() + 1ULL) * kBlockBytes) {
    return Fail(ErrorCode::kCorrupt, path + ": it is cut short");
  }
  return run;
}

Status Run::CheckBlock(std::uint32_t number, const char* bytes) const {
  const std::string_view covered(bytes + 4, kBlockBytes - 4);
  const auto expected =
      std::min<std::size_t>(kBlockEntries, info_.entries - (number - 1) * kBlockEntries);
  if (LoadLe<std::uint32_t>(bytes) != Crc32c(covered, SeedOf(info_)) ||
      LoadLe<std::uint32_t>(bytes + 4) != number || LoadLe<std::uint32_t>(bytes + 8) != expected) {
    return Fail(ErrorCode::kCorrupt, path_ + ": block " + std::to_string(number) + " is damaged");
  }
  return {};
}

Result<Run::Block> Run::ReadBlock(const os::File& file, std::uint32_t number) const {
  Block block;
  block.number = number;
  TRY_ASSIGN(const std::size_t size, file.ReadAt(std::uint64_t{number} * kBlockBytes, block.bytes));
  if (size != kBlockBytes) return Fail(ErrorCode::kCorrupt, path_ + ": it is cut short");
  TRY(CheckBlock(number, block.bytes.data()));
  block.count = LoadLe<std::uint32_t>(block.bytes.data() + 8);
  return block;
}

// Ids are hashes, evenly spread, so the first guess is nearly always the right block or its
// neighbour. Many repeats of one id make them uneven; then the search falls back to halving.
Result<std::optional<Run::Block>> Run::Seek(const os::File& file, const Hash128& id) const {
  std::uint32_t low = 1;  // the block sought is in [low, high)
  std::uint32_t high = blocks() + 1;
  const auto place = static_cast<unsigned __int128>(id.high) * info_.entries >> 64;
  auto guess = static_cast<std::uint32_t>(static_cast<std::size_t>(place) / kBlockEntries) + 1;
  std::optional<Block> best;
  for (int looks = 0; low < high; ++looks) {
    TRY_ASSIGN(Block block, ReadBlock(file, guess));
    if (block.last() < id) {
      low = guess + 1;
      guess = looks < 2 ? low : (low + high) / 2;
    } else {
      high = guess;
      const bool begins_before = block.first() < id;
      best = block;
      if (begins_before) break;
      guess = looks < 2 ? high - 1 : (low + high) / 2;
    }
    guess = std::clamp(guess, low, std::max(low, high - 1));
  }
  return best;
}

Result<std::optional<IdEntry>> Run::LatestOriginal(const Hash128& id) const {
  if (info_.entries == 0) return std::nullopt;
  TRY_ASSIGN(const auto file, files_.Get(path_));
  TRY_ASSIGN(const std::optional<Block> block, Seek(*file, id));
  if (!block) return std::nullopt;
  const std::uint32_t at = block->LowerBound(id);
  const IdEntry entry = block->at(at);
  if (entry.id != id || entry.duplicate()) return std::nullopt;
  return entry;
}

Result<std::optional<IdEntry>> Run::LatestOriginalOf(std::span<const Hash128> ids) const {
  std::optional<IdEntry> latest;
  if (info_.entries == 0) return latest;
  TRY_ASSIGN(const auto file, files_.Get(path_));
  std::optional<Block> block;  // the first one that may hold the id before
  for (const Hash128& id : ids) {
    if (!block || block->last() < id) {
      TRY_ASSIGN(block, Seek(*file, id));
      if (!block) break;  // every entry is below it, so below those that follow
    }
    const IdEntry entry = block->at(block->LowerBound(id));
    if (entry.id != id || entry.duplicate()) continue;
    if (!latest || latest->relative() < entry.relative()) latest = entry;
  }
  return latest;
}

Result<std::vector<IdEntry>> Run::OriginalsOf(std::span<const Hash128> ids) const {
  std::vector<IdEntry> out;
  if (info_.entries == 0) return out;
  TRY_ASSIGN(const auto file, files_.Get(path_));
  std::optional<Block> block;  // the first one that may hold the id before, or what follows it
  for (const Hash128& id : ids) {
    if (!block || block->last() < id) {
      TRY_ASSIGN(block, Seek(*file, id));
      if (!block) break;
    }
    for (std::uint32_t at = block->LowerBound(id);; ++at) {
      if (at == block->count) {
        if (block->number >= blocks()) break;
        TRY_ASSIGN(block, ReadBlock(*file, block->number + 1));
        at = 0;
      }
      const IdEntry entry = block->at(at);
      if (entry.id != id || entry.duplicate()) break;
      out.push_back(entry);
    }
  }
  return out;
}

Result<std::vector<IdEntry>> Run::AllOf(const Hash128& id, std::size_t max) const {
  std::vector<IdEntry> out;
  if (info_.entries == 0) return out;
  TRY_ASSIGN(const auto file, files_.Get(path_));
  TRY_ASSIGN(std::optional<Block> block, Seek(*file, id));
  std::size_t originals = 0;
  std::size_t duplicates = 0;
  for (std::uint32_t at = block ? block->LowerBound(id) : 0; block; at = 0) {
    for (; at < block->count; ++at) {
      const IdEntry entry = block->at(at);
      if (entry.id != id) return out;
      std::size_t& seen = entry.duplicate() ? duplicates : originals;
      if (++seen <= max) out.push_back(entry);
      if (duplicates > max) return out;
    }
    if (block->number >= blocks()) break;
    TRY_ASSIGN(block, ReadBlock(*file, block->number + 1));
  }
  return out;
}

Result<std::vector<IdEntry>> Run::ReadAll() const {
  constexpr std::uint32_t kBlocksAtOnce = 32;
  std::vector<IdEntry> out;
  out.reserve(info_.entries);
  TRY_ASSIGN(const auto file, files_.Get(path_));
  std::vector<char> bytes(kBlocksAtOnce * kBlockBytes);
  for (std::uint32_t number = 1; number <= blocks(); number += kBlocksAtOnce) {
    const std::uint32_t count = std::min(kBlocksAtOnce, blocks() + 1 - number);
    const std::span<char> wanted(bytes.data(), count * kBlockBytes);
    TRY_ASSIGN(const std::size_t size, file->ReadAt(std::uint64_t{number} * kBlockBytes, wanted));
    if (size != wanted.size()) return Fail(ErrorCode::kCorrupt, path_ + ": it is cut short");
    for (std::uint32_t i = 0; i < count; ++i) {
      const char* block = bytes.data() + i * kBlockBytes;
      TRY(CheckBlock(number + i, block));
      const auto entries = LoadLe<std::uint32_t>(block + 8);
      const std::size_t before = out.size();
      out.resize(before + entries);
      std::memcpy(out.data() + before, block + kBlockHead, entries * sizeof(IdEntry));
    }
  }
  return out;
}

}  // namespace tributary::dedupe
