// Rotated files under a disk that keeps what was synced and no more: the power goes at every call
// that changes anything. Where files are killed rather than disks, a missing sync is never seen.
#include <gtest/gtest.h>

#include "codec/gzip.h"
#include "codec/zstd.h"
#include "destinations/destination_kit_test.h"
#include "destinations/rotating_file.h"
#include "sim/sim_fs.h"

namespace tributary::destinations {
namespace {

constexpr const char* kRoot = "d/files";
constexpr int kLines = 7;

// Of a sector: one that is being written may become anything, and would take the line before with
// it if that were in it, whatever was synced.
std::string LineOf(int n) {
  std::string line = R"({"line":)" + std::to_string(n) + R"(,"text":")";
  line.resize(sim::kSectorBytes - 3, 'x');
  return line + "\"}\n";
}

// Lines of whole files and of hidden ones, each file by itself.
struct Disk {
  std::vector<std::string> whole;
  std::vector<std::string> hidden;
};

Disk Look(const sim::SimFs& fs) {
  Disk disk;
  for (const std::string& path : fs.Files()) {
    if (!path.starts_with(std::string(kRoot) + "/a/")) continue;
    const std::string name = path.substr(path.rfind('/') + 1);
    std::string bytes = fs.Bytes(path);
    if (name.starts_with(".")) {
      disk.hidden.push_back(std::move(bytes));
      continue;
    }
    std::string text = bytes;
    if (name.ends_with(".gz")) {
      text.clear();
      if (!codec::Inflate(bytes, 1 << 20, text)) text = "torn";
    }
    if (name.ends_with(".zst")) {
      text.clear();
      if (!codec::ZstdDecompressor().Decompress(bytes, 1 << 20, text)) text = "torn";
    }
    disk.whole.push_back(std::move(text));
  }
  return disk;
}

// Whether a text is nothing but lines that were sent, in order.
bool IsOfLines(std::string_view text) {
  for (int n = 0; n < kLines; ++n) {
    const std::string line = LineOf(n);
    if (text.starts_with(line)) text.remove_prefix(line.size());
  }
  return text.empty();
}

std::size_t Occurrences(const Disk& disk, const std::string& line) {
  std::size_t found = 0;
  for (const auto* files : {&disk.whole, &disk.hidden}) {
    for (const std::string& text : *files) {
      for (std::size_t at = text.find(line); at != std::string::npos;
           at = text.find(line, at + 1)) {
        ++found;
      }
    }
  }
  return found;
}

class PowerLoss {
 public:
  explicit PowerLoss(Compression compression)
      : rotation_{.bytes = 3 * sim::kSectorBytes, .compression = compression} {}

  std::function<void(sim::SimFs&)> planted = [](sim::SimFs&) {};

  // The power goes at the `at`-th change; false: it came to its end before. Faults are gathered.
  bool Run(std::uint64_t at, std::uint64_t seed) {
    sim::SimFs fs;
    EXPECT_TRUE(fs.CreateDir("d").has_value());
    EXPECT_TRUE(fs.SyncDir(".").has_value());
    planted(fs);
    fs.PowerOffAfter(at);
    std::vector<int> acknowledged;
    {
      const auto file = RotatingFile::Open(fs, clock_, kRoot, "a/orders.ndjson", rotation_);
      for (int n = 0; n < kLines; ++n) {
        if (file->Append(LineOf(n))) acknowledged.push_back(n);
        Work(*file);
      }
    }
    const bool went = !fs.powered();
    fs.Crash(seed);
    const Disk found = Look(fs);
    for (const std::string& text : found.whole) {
      if (!IsOfLines(text)) faults.push_back("a file that seems whole is torn: " + text);
    }
    const auto again = RotatingFile::Open(fs, clock_, kRoot, "a/orders.ndjson", rotation_);
    Work(*again);
    const Disk after = Look(fs);
    for (const int n : acknowledged) {
      if (Occurrences(after, LineOf(n)) == 1) continue;
      faults.push_back("line " + std::to_string(n) + " is there " +
                       std::to_string(Occurrences(after, LineOf(n))) + " times");
    }
    for (const std::string& text : after.whole) {
      if (!IsOfLines(text)) faults.push_back("torn after the recovery: " + text);
    }
    return went;
  }
  // Every moment; how many there were.
  std::uint64_t RunAll() {
    std::uint64_t at = 0;
    for (bool went = true; went; ++at) {
      went = false;
      for (std::uint64_t seed = 1; seed <= 8; ++seed) went = Run(at, seed) || went;
    }
    return at;
  }
  std::vector<std::string> faults;

 private:
  static void Work(RotatingFile& file) {
    for (int i = 0; i < 20; ++i) {
      if (!file.Tick()) return;
    }
  }
  test::FixedClock clock_;
  const Rotation rotation_;
};

TEST(RotatingFilePower, AtEveryMomentWhatWasAcknowledgedIsThereOnceAndNothingIsTorn) {
  for (const Compression compression :
       {Compression::kNone, Compression::kGzip, Compression::kZstd}) {
    PowerLoss loss(compression);
    EXPECT_GT(loss.RunAll(), 20U);
    EXPECT_TRUE(loss.faults.empty()) << loss.faults.size() << ": " << loss.faults.front();
  }
}

// The tester tested: where a sync, or that of a directory, does nothing, it is seen.
TEST(RotatingFilePower, AMissingSyncIsSeen) {
  PowerLoss of_data(Compression::kNone);
  of_data.planted = [](sim::SimFs& fs) { fs.IgnoreSyncs(); };
  of_data.RunAll();
  EXPECT_FALSE(of_data.faults.empty());
  PowerLoss of_names(Compression::kNone);
  of_names.planted = [](sim::SimFs& fs) { fs.IgnoreDirSyncs(); };
  of_names.RunAll();
  EXPECT_FALSE(of_names.faults.empty());
}

}  // namespace
}  // namespace tributary::destinations
