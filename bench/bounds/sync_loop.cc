// What the disk does at best: one write of `size` bytes and one fdatasync, over and over, on a file
// whose blocks are already written. Prints JSON.

#include <cstdio>
#include <string>
#include <vector>

#include "bench/support/clock.h"
#include "bench/support/flags.h"
#include "bench/support/histogram.h"
#include "bench/support/prewritten_file.h"

namespace tributary::bench {
namespace {

constexpr char kUsage[] =
    "usage: bench_sync_loop [--file sync_loop.dat] [--file-mib 64] [--size 843] [--duration 5]";

int Main(int argc, char** argv) {
  Flags flags(argc, argv, kUsage);
  const std::string path = flags.Text("file", "sync_loop.dat");
  const int64_t file_mib = flags.Count("file-mib", 64, 1);
  const int64_t size = flags.Count("size", 843, 1);
  const double duration_s = flags.Number("duration", 5);
  flags.Done();

  PrewrittenFile file(path, static_cast<uint64_t>(file_mib) << 20);
  std::string bytes(static_cast<size_t>(size), 'x');
  std::vector<iovec> parts;
  Histogram took;
  const int64_t began = NowNs();
  const int64_t ends = began + static_cast<int64_t>(duration_s * kNsPerSecond);
  int64_t before = began;
  while (before < ends) {
    parts.assign(1, {bytes.data(), bytes.size()});
    file.Append(parts);
    file.Sync();
    const int64_t after = NowNs();
    took.Record(after - before);
    before = after;
  }
  const double seconds = static_cast<double>(before - began) / kNsPerSecond;
  std::printf(
      "{\"size\":%ld,\"syncs_per_s\":%.1f,\"p50_us\":%.1f,\"p95_us\":%.1f,\"p99_us\":%.1f,"
      "\"max_us\":%.1f}\n",
      size, static_cast<double>(took.count()) / seconds, took.QuantileUs(0.5),
      took.QuantileUs(0.95), took.QuantileUs(0.99), took.MaxUs());
  return 0;
}

}  // namespace
}  // namespace tributary::bench

int main(int argc, char** argv) {
  return tributary::bench::Main(argc, argv);
}
