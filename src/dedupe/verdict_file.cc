#include "dedupe/verdict_file.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/check.h"
#include "base/crc32c.h"

namespace tributary::dedupe {
namespace {

constexpr std::uint64_t kPairBytes = 2 * kVerdictSectorBytes;
constexpr std::uint64_t kRoomBytes = 16 * kPairBytes;  // made ahead: about 63,000 verdicts
constexpr std::uint64_t kFileBytesMax = 1ULL << 30;

std::uint32_t SeedOf(const VerdictSegment& segment) {
  std::string identity;
  AppendLe(identity, segment.partition);
  AppendLe(identity, segment.first);
  return Crc32c(identity);
}

std::string EncodeSector(const VerdictPage& page, std::uint32_t number, std::uint32_t seed) {
  std::string covered;
  AppendLe(covered, page.sequence);
  AppendLe(covered, number);
  AppendLe(covered, page.decided);
  covered.append(reinterpret_cast<const char*>(page.bits.data()), page.bits.size());
  std::string out;
  AppendLe(out, Crc32c(covered, seed));
  return out + covered;
}

std::optional<VerdictPage> DecodeSector(std::string_view sector, std::uint32_t number,
                                        std::uint32_t seed) {
  VerdictPage page;
  page.sequence = LoadLe<std::uint32_t>(sector.data() + 4);
  page.decided = LoadLe<std::uint32_t>(sector.data() + 12);
  if (page.sequence == 0 || page.decided > kVerdictsPerPage ||
      LoadLe<std::uint32_t>(sector.data() + 8) != number ||
      LoadLe<std::uint32_t>(sector.data()) != Crc32c(sector.substr(4), seed)) {
    return std::nullopt;
  }
  std::memcpy(page.bits.data(), sector.data() + kVerdictHeadBytes, page.bits.size());
  return page;
}

VerdictPage Newer(std::string_view pair, std::uint32_t number, std::uint32_t seed) {
  VerdictPage best;
  for (std::size_t at = 0; at + kVerdictSectorBytes <= pair.size(); at += kVerdictSectorBytes) {
    const auto page = DecodeSector(pair.substr(at, kVerdictSectorBytes), number, seed);
    if (page && page->sequence > best.sequence) best = *page;
  }
  return best;
}

}  // namespace

Result<std::vector<VerdictPage>> LoadVerdicts(os::FileSystem& fs, const VerdictSegment& segment,
                                              bool sync_first) {
  if (sync_first) {
    TRY_ASSIGN(const auto file, fs.Open(segment.path, os::OpenMode::kReadWrite));
    TRY(file->SyncData());
    TRY(fs.SyncDir(os::ParentOf(segment.path)));
  }
  TRY_ASSIGN(const std::string bytes, os::ReadFile(fs, segment.path, kFileBytesMax));
  const std::uint32_t seed = SeedOf(segment);
  std::vector<VerdictPage> pages;
  for (std::size_t at = 0; at < bytes.size(); at += kPairBytes) {
    const std::string_view pair = std::string_view(bytes).substr(at, kPairBytes);
    pages.push_back(Newer(pair, static_cast<std::uint32_t>(pages.size()), seed));
  }
  while (!pages.empty() && pages.back().sequence == 0) pages.pop_back();
  return pages;
}

std::uint64_t DecidedWithoutGap(const std::vector<VerdictPage>& pages) {
  std::uint64_t decided = 0;
  for (const VerdictPage& page : pages) {
    decided += page.decided;
    if (page.decided < kVerdictsPerPage) break;
  }
  return decided;
}

VerdictWriter::VerdictWriter(os::FileSystem& fs, VerdictSegment segment,
                             std::vector<VerdictPage> pages)
    : fs_(fs),
      segment_(std::move(segment)),
      seed_(SeedOf(segment_)),
      pages_(std::move(pages)),
      decided_(DecidedWithoutGap(pages_)) {
  CHECK_OP(pages_.size(), ==, (decided_ + kVerdictsPerPage - 1) / kVerdictsPerPage);
}

void VerdictWriter::Add(bool duplicate) {
  const auto number = static_cast<std::uint32_t>(decided_ / kVerdictsPerPage);
  if (number == pages_.size()) pages_.emplace_back();
  VerdictPage& page = pages_[number];
  page.Set(page.decided++, duplicate);
  if (!dirty_) dirty_from_ = number;
  dirty_ = true;
  ++decided_;
}

Status VerdictWriter::OpenOrCreate() {
  if (file_ != nullptr) return {};
  if (fs_.Exists(segment_.path)) {
    TRY_ASSIGN(file_, fs_.Open(segment_.path, os::OpenMode::kReadWrite));
  } else {
    TRY_ASSIGN(file_, fs_.Open(segment_.path, os::OpenMode::kCreate));
  }
  TRY_ASSIGN(file_bytes_, file_->Size());
  return {};
}

Status VerdictWriter::MakeRoom(std::uint64_t bytes) {
  if (bytes <= file_bytes_) return {};
  const std::uint64_t target = AlignUp(bytes, kRoomBytes);
  const std::string zeros(target - file_bytes_, '\0');
  TRY(file_->WriteAt(file_bytes_, zeros));
  file_bytes_ = target;
  return {};
}

Status VerdictWriter::Sync() {
  if (!dirty_) return {};
  TRY(OpenOrCreate());
  TRY(MakeRoom(pages_.size() * kPairBytes));
  for (std::uint32_t number = dirty_from_; number < pages_.size(); ++number) {
    VerdictPage page = pages_[number];
    // Counted only once it is durable: a write tried again must not reach the other place, where
    // the last durable state of the page is.
    ++page.sequence;
    const std::uint64_t place = page.sequence % 2;
    TRY(file_->WriteAt(number * kPairBytes + place * kVerdictSectorBytes,
                       EncodeSector(page, number, seed_)));
  }
  TRY(file_->SyncData());
  if (!entry_durable_) TRY(fs_.SyncDir(os::ParentOf(segment_.path)));
  entry_durable_ = true;
  for (std::uint32_t number = dirty_from_; number < pages_.size(); ++number) {
    ++pages_[number].sequence;
  }
  dirty_ = false;
  return {};
}

std::string EncodeVerdicts(const VerdictSegment& segment, const std::vector<bool>& verdicts) {
  std::string out;
  const std::uint32_t seed = SeedOf(segment);
  for (std::size_t first = 0; first < verdicts.size(); first += kVerdictsPerPage) {
    VerdictPage page;
    page.sequence = 2;  // the first place of the pair
    page.decided = static_cast<std::uint32_t>(
        std::min<std::size_t>(kVerdictsPerPage, verdicts.size() - first));
    for (std::uint32_t i = 0; i < page.decided; ++i) page.Set(i, verdicts[first + i]);
    out += EncodeSector(page, static_cast<std::uint32_t>(first / kVerdictsPerPage), seed);
    out.append(kVerdictSectorBytes, '\0');
  }
  return out;
}

}  // namespace tributary::dedupe
