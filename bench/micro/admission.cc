// What admission costs one core: parse, judge, splice and add to the batch, of varied Segment
// `track` events of 843 bytes on average. No network, no disk.
//   build/bench/bench_admission
#include <benchmark/benchmark.h>

#include "bench/support/event_maker.h"
#include "event/canonicalizer.h"
#include "log/log.h"
#include "os/clock.h"

namespace tributary {
namespace {

std::vector<std::string> Events() {
  bench::Random random(1);
  std::vector<std::string> out;
  for (auto& event : bench::MakeEvents(1024, bench::SentAt::kInEvent, random)) {
    out.push_back(std::move(event.json));
  }
  return out;
}

void Parse(benchmark::State& state) {
  const auto events = Events();
  event::JsonDocument document;
  std::size_t i = 0;
  for (auto _ : state) {
    auto root = document.Parse(events[i++ % events.size()]);
    benchmark::DoNotOptimize(root);
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(bench::kEventBytes));
}
BENCHMARK(Parse);

void ParseAndSplice(benchmark::State& state) {
  const auto events = Events();
  event::JsonDocument document;
  event::Canonicalizer canonicalizer(os::SystemRandom());
  std::size_t i = 0;
  for (auto _ : state) {
    const auto root = document.Parse(events[i++ % events.size()]);
    canonicalizer.Begin(
        {.path_type = event::Type::kTrack, .received_at_us = os::SystemClock().Now()});
    auto made = canonicalizer.Make(*root);
    benchmark::DoNotOptimize(made);
  }
}
BENCHMARK(ParseAndSplice);

void ParseSpliceAndAdd(benchmark::State& state) {
  const auto events = Events();
  event::JsonDocument document;
  event::Canonicalizer canonicalizer(os::SystemRandom());
  log::Batch batch;
  std::size_t i = 0;
  for (auto _ : state) {
    const auto root = document.Parse(events[i++ % events.size()]);
    const UnixMicros now = os::SystemClock().Now();
    canonicalizer.Begin({.path_type = event::Type::kTrack, .received_at_us = now});
    const auto made = canonicalizer.Make(*root);
    if (!made) return state.SkipWithError(std::string(made.error().code).c_str());
    const Status added = batch.Add({.received_at_us = now,
                                    .event_time_us = made->event_time_us,
                                    .source = 1,
                                    .key = made->key,
                                    .name = made->name,
                                    .message_id = made->message_id},
                                   made->parts);
    benchmark::DoNotOptimize(added);
    if (batch.records() == 64) batch.RollBack({});  // about what a loop turn collects under load
  }
}
BENCHMARK(ParseSpliceAndAdd);

}  // namespace
}  // namespace tributary

BENCHMARK_MAIN();
