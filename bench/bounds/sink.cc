// A webhook receiver as fast as we can make one: canned answers. With --record it remembers when
// each messageId arrived (monotonic nanoseconds) and writes `messageId ns` lines when it is
// stopped.

#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "bench/support/clock.h"
#include "bench/support/die.h"
#include "bench/support/flags.h"
#include "bench/support/loop.h"
#include "bench/support/webhook_sink.h"

namespace tributary::bench {
namespace {

constexpr char kUsage[] =
    "usage: bench_sink [--listen 127.0.0.1:0] [--status 204] [--record FILE]\n"
    "  --status 0  reads requests and never answers";
constexpr std::string_view kMarker = "\"messageId\":\"";

using Arrivals = std::vector<std::pair<std::string, int64_t>>;

void Remember(std::string_view body, int64_t arrived_ns, Arrivals* arrivals) {
  for (size_t at = body.find(kMarker); at != std::string_view::npos; at = body.find(kMarker, at)) {
    at += kMarker.size();
    arrivals->emplace_back(body.substr(at, body.find('"', at) - at), arrived_ns);
  }
}

void Save(const Arrivals& arrivals, const std::string& path) {
  FILE* file = std::fopen(path.c_str(), "w");
  if (file == nullptr) DieErrno("open " + path);
  for (const auto& [id, arrived_ns] : arrivals) {
    std::fprintf(file, "%s %ld\n", id.c_str(), arrived_ns);
  }
  if (std::fclose(file) != 0) DieErrno("write " + path);
}

int Main(int argc, char** argv) {
  Flags flags(argc, argv, kUsage);
  const Address address = ParseAddress(flags.Text("listen", "127.0.0.1:0"));
  const auto status = static_cast<int>(flags.Count("status", 204, 0));
  const std::string record = flags.Text("record", "");
  flags.Done();
  CatchStopSignals();
  Loop loop;
  Arrivals arrivals;
  WebhookSink sink(&loop, address, status, [&](std::string_view body, int64_t arrived_ns) {
    if (!record.empty()) Remember(body, arrived_ns, &arrivals);
  });
  AnnounceListening(sink.address());
  while (!StopAsked()) {
    loop.Turn(kNsPerSecond);
    sink.Sweep();
  }
  if (!record.empty()) Save(arrivals, record);
  std::printf("{\"requests\":%lu}\n", sink.requests());
  return 0;
}

}  // namespace
}  // namespace tributary::bench

int main(int argc, char** argv) {
  return tributary::bench::Main(argc, argv);
}
