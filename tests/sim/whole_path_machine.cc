#include "sim/whole_path_machine.h"

#include "base/check.h"
#include "support/planted_cursor.h"

namespace tributary::deliver::whole {
namespace {

// How often threads that wait for a time look whether it has come.
constexpr MonoNanos kTick = 5 * kNanosPerMilli;
constexpr std::uint64_t kWorkers = 4;
constexpr std::uint64_t kIdsMax = 100'000;

}  // namespace

Machine::Machine(std::uint64_t seed, Planted planted)
    : chance_(seed),
      time_(seed),
      loop_(time_.NewExecutor()),
      second_loop_(time_.NewExecutor()),
      blocking_(time_.NewExecutor()),
      programs_(time_) {
  CHECK(fs_.CreateDir("data").has_value());
  CHECK(fs_.SyncDir(".").has_value());
  log_options.dir = "data/log";
  log_options.first_segment_bytes = 4 * 1024;
  log_options.segment_bytes = 8 * 1024;
  log_options.reserve_bytes = 0;
  if (planted.no_sync) fs_.IgnoreSyncs();
  if (planted.cursor_first) {
    planted_store_ = std::make_unique<test::RewritingStore>(store_, test::CursorBeforeOutcome);
  }
}

Machine::~Machine() {
  Stop();
}

Status Machine::Start() {
  TRY_ASSIGN(log_, log::SegmentedLog::Open({&fs_, &time_, &chance_}, log_options));
  on_committed();
  registry_ = std::make_unique<metrics::Registry>();
  TRY_ASSIGN(dedupe_, dedupe::Dedupe::Open({&fs_, &time_, &chance_, log_.get(), registry_.get()},
                                           {.dir = "data/dedupe", .max_ids = kIdsMax}));
  Receivers::current = &receivers;
  TRY_ASSIGN(engine_, OpenEngine());
  engine_->Start();
  time_.SetActor([this] { return WorkSomewhere(); });
  Tick();
  return {};
}

Result<std::unique_ptr<Engine>> Machine::OpenEngine() {
  return Engine::Open({.log = log_.get(),
                       .verdicts = dedupe_.get(),
                       .store = planted_store_ ? planted_store_.get() : &store_,
                       .fs = nullptr,
                       .clock = &time_,
                       .random = &chance_,
                       .egress = nullptr,
                       .metrics = nullptr,
                       .matchers = &matchers_,
                       .programs = &programs_,
                       .loops = {{&loop_, nullptr}, {&second_loop_, nullptr}},
                       .blocking = &blocking_},
                      {});
}

void Machine::Crash() {
  Stop();
  fs_.Crash(chance_.Draw());
  store_.Crash(chance_.Draw());
}

// Nothing that waited will ever run, and nobody hears of it.
void Machine::Stop() {
  time_.Forget();
  Receivers::current = nullptr;
  engine_.reset();
  time_.Forget();
  if (dedupe_ != nullptr) log_->RemoveHolder(dedupe_.get());
  dedupe_.reset();
  log_.reset();
  registry_.reset();
}

void Machine::Tick() {
  loop_.At(loop_.Now() + kTick, [this] { Tick(); });
}

// Writer, maintenance, dedupe and committer: whoever of them has something to do.
bool Machine::WorkSomewhere() {
  const std::uint64_t first = chance_.Below(kWorkers);
  for (std::uint64_t i = 0; i < kWorkers && powered(); ++i) {
    if (WorkOf((first + i) % kWorkers)) return true;
  }
  return false;
}

bool Machine::WorkOf(std::uint64_t worker) {
  switch (worker) {
    case 0: {
      const bool wrote = log_->WriterStep();
      if (powered()) on_committed();
      return wrote;
    }
    case 1:
      return log_->MaintainStep();
    case 2:
      return dedupe_->Step();
    default:
      return engine_->committer().Step();
  }
}

void Machine::RunFor(MonoNanos span) {
  time_.RunUntil([this] { return !powered(); }, span);
}

bool Machine::RunUntil(const std::function<bool()>& reached, MonoNanos at_most) {
  return time_.RunUntil(reached, at_most);
}

}  // namespace tributary::deliver::whole
