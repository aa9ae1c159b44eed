// The load generator: Segment `track` events against a collection API, as fast as possible or at a
// fixed rate, on one core. Prints one JSON object. Figures are of what was answered within the
// measured time, after the warm-up; `accepted_events_in_all` also counts warm-up and tail, for
// reckoning with what the server has stored.

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>

#include "bench/support/clock.h"
#include "bench/support/die.h"
#include "bench/support/flags.h"
#include "bench/support/loop.h"
#include "bench/support/report.h"
#include "bench/support/request_pool.h"
#include "bench/support/sender.h"
#include "bench/support/socket.h"

namespace tributary::bench {
namespace {

constexpr char kUsage[] =
    "usage: bench_load --target HOST:PORT [--connections 64] [--batch 0] [--rate 0]\n"
    "                  [--duration 10] [--warmup 1] [--requests 0] [--ids-file FILE]\n"
    "                  [--write-key demo] [--seed 1]\n"
    "  --batch     0: single events to /v1/track; n: n events a request to /v1/batch\n"
    "  --rate      requests a second in all; 0: each connection sends again once answered\n"
    "  --requests  stop after so many (then --duration and --warmup do not apply)\n"
    "  --ids-file  writes the messageId of every accepted event, one a line";
constexpr int64_t kTailNs = 10 * kNsPerSecond;

struct Options {
  Sender::Options send;
  RequestPool::Options pool;
  double duration_s = 0;
  double warmup_s = 0;
  std::string ids_file;
};

Options ReadOptions(int argc, char** argv) {
  Flags flags(argc, argv, kUsage);
  Options out;
  const std::string target = flags.Text("target", "");
  if (target.empty()) Die(kUsage);
  out.send.server = ParseAddress(target);
  out.send.connections = static_cast<size_t>(flags.Count("connections", 64, 1));
  out.send.rate = flags.Number("rate", 0);
  out.send.requests_max = static_cast<uint64_t>(flags.Count("requests", 0, 0));
  out.pool.batch = static_cast<size_t>(flags.Count("batch", 0, 0));
  out.pool.connections = out.send.connections;
  out.pool.write_key = flags.Text("write-key", "demo");
  out.pool.seed = static_cast<uint64_t>(flags.Count("seed", 1, 0));
  out.duration_s = flags.Number("duration", 10);
  out.warmup_s = out.send.requests_max > 0 ? 0 : flags.Number("warmup", 1);
  out.ids_file = flags.Text("ids-file", "");
  flags.Done();
  return out;
}

struct Measured {
  SendResults results;
  double seconds = 0;
  double cpu_share = 0;
  uint64_t overdue = 0;
};

class Run {
 public:
  explicit Run(const Options& options)
      : options_(options),
        pool_(options.pool, options.send.server, &ids_),
        sender_(&loop_, &pool_, options.send) {
    if (!options.ids_file.empty()) RecordIds();
  }
  ~Run() {
    if (ids_out_ != nullptr && std::fclose(ids_out_) != 0) DieErrno("write " + options_.ids_file);
  }

  Measured Measure() {
    sender_.Start();
    TurnFor(options_.warmup_s);
    sender_.ForgetResults();
    const int64_t began_ns = NowNs();
    const double cpu_before = CpuSeconds();
    if (options_.send.requests_max > 0) {
      TurnUntilFinished(INT64_MAX);
    } else {
      TurnFor(options_.duration_s);
    }
    const int64_t ended_ns = NowNs();
    Measured out;
    out.results = sender_.results();
    out.seconds = static_cast<double>(ended_ns - began_ns) / kNsPerSecond;
    out.cpu_share = (CpuSeconds() - cpu_before) / out.seconds;
    out.overdue = sender_.overdue(ended_ns);
    sender_.Stop();
    TurnUntilFinished(ended_ns + kTailNs);
    return out;
  }

  uint64_t accepted_events_in_all() const {
    return sender_.accepted_in_all() * pool_.events_per_request();
  }
  size_t events_per_request() const { return pool_.events_per_request(); }

 private:
  void RecordIds() {
    ids_out_ = std::fopen(options_.ids_file.c_str(), "w");
    if (ids_out_ == nullptr) DieErrno("open " + options_.ids_file);
    sender_.set_on_accepted([this](const PooledRequest& request) {
      for (size_t i = 0; i < request.message_ids.size(); ++i) {
        const std::string_view id = request.MessageId(i);
        std::fwrite(id.data(), 1, id.size(), ids_out_);
        std::fputc('\n', ids_out_);
      }
    });
  }

  void TurnOnce(int64_t until_ns) {
    const int64_t wanted_ns = std::min(sender_.StartDue(), until_ns);
    loop_.Turn(wanted_ns - NowNs());
  }

  void TurnFor(double seconds) {
    const int64_t until_ns = NowNs() + static_cast<int64_t>(seconds * kNsPerSecond);
    while (NowNs() < until_ns && !sender_.Finished()) TurnOnce(until_ns);
  }

  void TurnUntilFinished(int64_t until_ns) {
    while (!sender_.Finished() && NowNs() < until_ns) TurnOnce(until_ns);
  }

  Options options_;
  Loop loop_;
  RandomIds ids_;
  RequestPool pool_;
  Sender sender_;
  FILE* ids_out_ = nullptr;
};

void Print(const Measured& measured, const Run& run) {
  const double requests_per_s =
      static_cast<double>(measured.results.accepted_requests) / measured.seconds;
  std::printf("{\"seconds\":%.3f,\"requests_per_s\":%.1f,\"events_per_s\":%.1f,", measured.seconds,
              requests_per_s, requests_per_s * static_cast<double>(run.events_per_request()));
  PrintLatency("latency", measured.results.latency);
  std::printf(",\"accepted_requests\":%lu,\"accepted_events_in_all\":%lu,",
              measured.results.accepted_requests, run.accepted_events_in_all());
  PrintFailures(measured.results);
  std::printf(",\"overdue\":%lu,\"load_cpu\":%.3f}\n", measured.overdue, measured.cpu_share);
}

int Main(int argc, char** argv) {
  CatchStopSignals();
  Run run(ReadOptions(argc, argv));
  const Measured measured = run.Measure();
  Print(measured, run);
  return 0;
}

}  // namespace
}  // namespace tributary::bench

int main(int argc, char** argv) {
  return tributary::bench::Main(argc, argv);
}
