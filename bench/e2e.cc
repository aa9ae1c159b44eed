// One event to one webhook, end to end: sends events at a rate and is itself the webhook that they
// are delivered to, so that both ends read the same clock. Announces the webhook's address on
// standard error, waits for a line on standard input (meanwhile the caller makes the destination),
// measures, and prints one JSON object: what was sent, acknowledged, arrived, came twice, is
// missing, and the latencies from sending an event to its arrival, and to its acknowledgement.

#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "bench/support/clock.h"
#include "bench/support/die.h"
#include "bench/support/flags.h"
#include "bench/support/histogram.h"
#include "bench/support/loop.h"
#include "bench/support/report.h"
#include "bench/support/request_pool.h"
#include "bench/support/sender.h"
#include "bench/support/webhook_sink.h"

namespace tributary::bench {
namespace {

constexpr char kUsage[] =
    "usage: bench_e2e --target HOST:PORT [--rate 1000] [--connections 16] [--duration 10]\n"
    "                 [--warmup 1] [--drain 10] [--listen 127.0.0.1:0] [--write-key demo]";

// Ids that count up behind a prefix of their own, so that an arrival is found without a table of
// strings, and remember when each was sent.
class CountedIds final : public MessageIds {
 public:
  CountedIds() {
    Random random(static_cast<uint64_t>(NowNs()));
    prefix_ = MakeUuid(random).substr(0, kPrefixBytes);
  }

  void Write(char* out, int64_t started_ns) override {
    char digits[16];
    std::snprintf(digits, sizeof digits, "%012zx", started_ns_.size());
    std::memcpy(out, prefix_.data(), kPrefixBytes);
    std::memcpy(out + kPrefixBytes, digits, kUuidBytes - kPrefixBytes);
    started_ns_.push_back(started_ns);
  }

  // Calls `found` with the number of each id of ours in `body`, once for each place.
  template <typename Found>
  void FindAll(std::string_view body, const Found& found) const {
    for (size_t at = body.find(prefix_); at != std::string_view::npos;
         at = body.find(prefix_, at + kUuidBytes)) {
      const std::string digits(body.substr(at + kPrefixBytes, kUuidBytes - kPrefixBytes));
      const size_t number = std::strtoull(digits.c_str(), nullptr, 16);
      if (number < started_ns_.size()) found(number);
    }
  }

  size_t count() const { return started_ns_.size(); }
  int64_t started_ns(size_t number) const { return started_ns_[number]; }

 private:
  static constexpr size_t kPrefixBytes = 24;

  std::string prefix_;
  std::vector<int64_t> started_ns_;
};

class Arrivals {
 public:
  explicit Arrivals(const CountedIds* ids) : ids_(ids) {}

  // One delivery; an id that stands in it twice (in the body and in an id field) counts once.
  void Take(std::string_view body, int64_t arrived_ns) {
    size_t last = SIZE_MAX;
    ids_->FindAll(body, [&](size_t number) {
      if (number != last) TakeOne(number, arrived_ns);
      last = number;
    });
  }

  void set_measured_from(size_t number) { measured_from_ = number; }
  const Histogram& latency() const { return latency_; }
  uint64_t arrived() const { return arrived_; }
  uint64_t repeated() const { return repeated_; }

 private:
  void TakeOne(size_t number, int64_t arrived_ns) {
    if (number >= seen_.size()) seen_.resize(ids_->count() + 1024);
    if (seen_[number]) {
      ++repeated_;
      return;
    }
    seen_[number] = true;
    ++arrived_;
    if (number >= measured_from_) latency_.Record(arrived_ns - ids_->started_ns(number));
  }

  const CountedIds* ids_;
  std::vector<bool> seen_;
  Histogram latency_;
  size_t measured_from_ = SIZE_MAX;
  uint64_t arrived_ = 0;
  uint64_t repeated_ = 0;
};

void WaitForGo() {
  int c = 0;
  do {
    c = std::getchar();
  } while (c != '\n' && c != EOF);
  if (c == EOF) Die("standard input ended before the line that starts the measurement");
}

struct Options {
  Sender::Options send;
  RequestPool::Options pool;
  Address listen;
  double duration_s = 0;
  double warmup_s = 0;
  double drain_s = 0;
};

Options ReadOptions(int argc, char** argv) {
  Flags flags(argc, argv, kUsage);
  Options out;
  const std::string target = flags.Text("target", "");
  if (target.empty()) Die(kUsage);
  out.send.server = ParseAddress(target);
  out.send.rate = flags.Number("rate", 1000);
  if (out.send.rate <= 0) Die("--rate must be above 0");
  out.send.connections = static_cast<size_t>(flags.Count("connections", 16, 1));
  out.pool.connections = out.send.connections;
  out.pool.write_key = flags.Text("write-key", "demo");
  out.listen = ParseAddress(flags.Text("listen", "127.0.0.1:0"));
  out.duration_s = flags.Number("duration", 10);
  out.warmup_s = flags.Number("warmup", 1);
  out.drain_s = flags.Number("drain", 10);
  flags.Done();
  return out;
}

class Run {
 public:
  explicit Run(const Options& options)
      : options_(options),
        arrivals_(&ids_),
        sink_(&loop_, options.listen, 204,
              [this](std::string_view body, int64_t at_ns) { arrivals_.Take(body, at_ns); }),
        pool_(options.pool, options.send.server, &ids_) {}

  void Measure() {
    AnnounceListening(sink_.address());
    WaitForGo();
    Sender sender(&loop_, &pool_, options_.send);
    sender.Start();
    TurnUntil(&sender, options_.warmup_s, [] { return false; });
    sender.ForgetResults();
    arrivals_.set_measured_from(ids_.count());
    TurnUntil(&sender, options_.duration_s, [] { return false; });
    sender.Stop();
    TurnUntil(&sender, options_.drain_s,
              [&] { return sender.Finished() && arrivals_.arrived() >= sender.accepted_in_all(); });
    Print(sender);
  }

 private:
  template <typename Done>
  void TurnUntil(Sender* sender, double seconds, const Done& done) {
    const int64_t until_ns = NowNs() + static_cast<int64_t>(seconds * kNsPerSecond);
    while (NowNs() < until_ns && !done()) {
      const int64_t wanted_ns = std::min(sender->StartDue(), until_ns);
      loop_.Turn(std::min(wanted_ns - NowNs(), kNsPerSecond / 100));
      sink_.Sweep();
    }
  }

  void Print(const Sender& sender) const {
    const uint64_t accepted = sender.accepted_in_all();
    const uint64_t arrived = arrivals_.arrived();
    std::printf(
        "{\"sent\":%lu,\"acknowledged\":%lu,\"arrived\":%lu,\"repeated\":%lu,"
        "\"missing\":%lu,",
        sender.started(), accepted, arrived, arrivals_.repeated(),
        accepted > arrived ? accepted - arrived : 0);
    PrintLatency("end_to_end", arrivals_.latency());
    std::printf(",");
    PrintLatency("acknowledgement", sender.results().latency);
    std::printf(",");
    PrintFailures(sender.results());
    std::printf("}\n");
  }

  Options options_;
  Loop loop_;
  CountedIds ids_;
  Arrivals arrivals_;
  WebhookSink sink_;
  RequestPool pool_;
};

int Main(int argc, char** argv) {
  CatchStopSignals();
  Run run(ReadOptions(argc, argv));
  run.Measure();
  return 0;
}

}  // namespace
}  // namespace tributary::bench

int main(int argc, char** argv) {
  return tributary::bench::Main(argc, argv);
}
