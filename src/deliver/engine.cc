#include <nlohmann/json.hpp>

#include "base/check.h"
#include "base/logging.h"
#include "deliver/engine_impl.h"
#include "deliver/engine_replay.h"
#include "deliver/engine_trial.h"
#include "deliver/order_key.h"

namespace tributary::deliver {

namespace keys = store::keys;

void Waker::Wake() {
  const std::lock_guard lock(mutex);
  if (committer == nullptr) return;
  for (const auto& state : loops) {
    // One task per loop, however many records came.
    if (state->wake_posted.exchange(true)) continue;
    state->loop.executor->Post([state] {
      state->wake_posted.store(false);
      // A lane may be removed by what its pump does, never by another lane's.
      for (std::size_t i = 0; i < state->lanes.size(); ++i) {
        const std::shared_ptr<Lane> lane = state->lanes[i];
        lane->Pump();
      }
    });
  }
  committer->Wake();
}

Result<std::unique_ptr<Engine>> Engine::Open(EngineWorld world, EngineOptions options) {
  CHECK(!world.loops.empty());
  auto engine = std::make_unique<EngineImpl>(std::move(world), std::move(options));
  TRY(engine->Load());
  return engine;
}

EngineImpl::EngineImpl(EngineWorld world, EngineOptions options)
    : world_(std::move(world)),
      options_(std::move(options)),
      reader_(*world_.matchers, CheckContext{.egress = world_.egress}, world_.programs),
      vault_(reader_, world_.sealer),
      revision_table_(*this),
      committer_(*world_.store, world_.verdicts) {
  for (const Loop& loop : world_.loops) {
    loops_.push_back(std::make_shared<LoopState>(loop, *world_.log, *world_.verdicts));
  }
  meta_ = std::make_unique<MetaEventWriter>(MetaEventWriter::World{.log = world_.log,
                                                                   .executor = world_.blocking,
                                                                   .clock = world_.clock,
                                                                   .random = world_.random});
  AddMetaGauges();
  replay_table_ = std::make_unique<ReplayTable>(*this);
  trial_table_ = std::make_unique<TrialTable>(*this);
  dead_letters_ = std::make_unique<DeadLetterService>(
      DeadLetterWorld{.store = world_.store,
                      .log = world_.log,
                      .clock = world_.clock,
                      .blocking = world_.blocking,
                      .committer = &committer_,
                      .lanes = [this] { return LaneRefs(); },
                      .limits = {.age_us = options_.dead_letter_age_us,
                                 .bytes_max = options_.dead_letter_bytes_max}});
  deliveries_ = std::make_unique<DeliveriesService>(DeliveriesWorldOf());
  audit_ = std::make_unique<AuditService>(DeliveriesWorldOf(), world_.metrics);
  pruner_ = std::make_shared<Pruner>(PrunerWorld{.store = world_.store,
                                                 .log = world_.log,
                                                 .clock = world_.clock,
                                                 .blocking = world_.blocking,
                                                 .deleted = &deleted_lanes_,
                                                 .lanes = [this] { return AllLaneRefs(); }});
}

DeliveriesWorld EngineImpl::DeliveriesWorldOf() {
  return {.store = world_.store,
          .log = world_.log,
          .verdicts = world_.verdicts,
          .attempts = world_.attempts,
          .reads = world_.reads != nullptr ? world_.reads : world_.blocking,
          .programs = world_.programs,
          .lanes = [this] { return AllLaneRefs(); }};
}

DeadLetters& EngineImpl::dead_letters() {
  return *dead_letters_;
}

Deliveries& EngineImpl::deliveries() {
  return *deliveries_;
}

Audit& EngineImpl::audit() {
  return *audit_;
}

EngineImpl::~EngineImpl() {
  {
    const std::lock_guard lock(waker_->mutex);
    waker_->loops.clear();
    waker_->committer = nullptr;
  }
  replay_table_.reset();
  for (const std::uint64_t gauge : gauges_) world_.metrics->RemoveGauge(gauge);
  for (const auto& [name, entry] : by_name_) {
    for (const std::uint64_t gauge : entry->gauges) world_.metrics->RemoveGauge(gauge);
    world_.log->RemoveHolder(entry->lane.get());
  }
  for (const auto& state : loops_) state->lanes.clear();
  // A change that still waits in its lane holds the entry, and the entry the lane.
  for (const auto& [name, entry] : by_name_) entry->lane.reset();
}

LaneWorld EngineImpl::LaneWorldOf(LoopState& loop) const {
  return {.log = world_.log,
          .verdicts = world_.verdicts,
          .store = world_.store,
          .attempts = world_.attempts,
          .committer = const_cast<Committer*>(&committer_),
          .windows = &loop.windows,
          .loop = loop.loop.executor,
          .programs = world_.programs,
          .clock = world_.clock,
          .random = world_.random,
          .commit_interval_ns = options_.commit_interval_ns,
          .waiting_rows_max = options_.waiting_rows_max};
}

std::shared_ptr<LoopState> EngineImpl::NextLoop() {
  return loops_[next_loop_++ % loops_.size()];
}

Result<std::shared_ptr<const Matcher>> EngineImpl::MatcherOf(const Spec& spec) const {
  if (!spec.lane.enabled) return MatchNothing(spec.kind());
  return world_.matchers->Load(spec.rule.stored);
}

std::shared_ptr<const Program> EngineImpl::MappingOf(const Spec& spec) const {
  if (spec.lane.mapping.empty()) return nullptr;
  CHECK(world_.programs != nullptr);  // else the spec was refused
  return world_.programs->Stored(ProgramUse::kMapping, spec.lane.mapping);
}

Result<LaneSettings> EngineImpl::SettingsOf(const Spec& spec, std::uint32_t revision,
                                            const std::shared_ptr<LoopState>& loop,
                                            Witness* witness) const {
  const DestinationContext context{.loop = loop->loop.executor,
                                   .client = loop->loop.client,
                                   .blocking = world_.blocking,
                                   .fs = world_.fs,
                                   .clock = world_.clock,
                                   .name = spec.lane.name,
                                   .files_root = options_.files_root,
                                   .user_agent = options_.user_agent,
                                   .instance = options_.instance,
                                   .timeout_ns = spec.lane.timeout_ns,
                                   .retried = RetriedStatuses::Of(spec.lane.retry.statuses).value(),
                                   .witness = witness};
  return LaneSettings{
      .revision = revision,
      .enabled = spec.lane.enabled,
      .concurrency = spec.lane.concurrency,
      .rate_limit = spec.lane.rate_limit,
      .schedule = spec.lane.retry.schedule,
      .total_ns = spec.lane.retry.total_ns,
      .mapping = MappingOf(spec),
      .ordered = spec.lane.order == Order::kKey,
      .order_path = ParseOrderBy(spec.lane.order_by).value_or(std::vector<std::string>{}),
      .order_wait_ns = spec.lane.order_wait_ns,
      .batch = {.size = spec.lane.batch.size,
                .wait_ns = spec.lane.batch.wait_ns,
                .bytes = spec.lane.batch.bytes,
                .split = spec.lane.batch.split,
                .possible = spec.type->batches},
      .destination = spec.type->make(spec.options.get(), context),
      // Who is told of failures never tells of its own: no loop.
      .meta = spec.kind() == log::Kind::kSystem ? nullptr : meta_.get()};
}

void EngineImpl::Start() {
  {
    const std::lock_guard lock(waker_->mutex);
    waker_->loops = loops_;
    waker_->committer = &committer_;
  }
  world_.verdicts->OnProgress([waker = waker_] { waker->Wake(); });
  os::Executor* const first_loop = loops_.front()->loop.executor;
  first_loop->Post([first_loop, weak = std::weak_ptr(pruner_)] {
    if (const auto pruner = weak.lock()) pruner->Start(*first_loop);
  });
  dead_letters_->moves().Start();
  const std::lock_guard lock(mutex_);
  started_ = true;
  for (const auto& [name, entry] : by_name_) {
    entry->loop->loop.executor->Post([loop = entry->loop, lane = entry->lane] {
      loop->lanes.push_back(lane);
      lane->Start();
    });
  }
  for (const auto& replay : replay_table_->lanes()) {
    replay.loop->loop.executor->Post([loop = replay.loop, lane = replay.lane] {
      loop->lanes.push_back(lane);
      lane->Start();
    });
  }
}

Replays& EngineImpl::replays() {
  return *replay_table_;
}

void EngineImpl::Close(MonoNanos deadline, std::move_only_function<void()> done) {
  std::deque<Change> refused;
  std::vector<std::pair<std::shared_ptr<LoopState>, std::shared_ptr<Lane>>> lanes;
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
    refused.swap(changes_);
    for (const auto& [name, entry] : by_name_) lanes.emplace_back(entry->loop, entry->lane);
  }
  for (const auto& replay : replay_table_->lanes()) lanes.emplace_back(replay.loop, replay.lane);
  dead_letters_->moves().Close();
  pruner_->Stop();
  for (Change& change : refused) {
    change(Fail(ErrorCode::kUnavailable, "delivery is shutting down"), [] {});
  }
  struct Closing {
    std::atomic<std::size_t> left;
    std::move_only_function<void()> done;
  };
  auto closing = std::make_shared<Closing>(lanes.size() + 1, std::move(done));
  const auto one_less = [this, closing] {
    if (closing->left.fetch_sub(1) != 1) return;
    committer_.Close();
    closing->done();
  };
  for (const auto& [loop, lane] : lanes) {
    loop->loop.executor->Post(
        [lane = lane, deadline, one_less] { lane->Drain(deadline, one_less); });
  }
  loops_.front()->loop.executor->Post(one_less);
}

void EngineImpl::AddMetaGauges() {
  if (world_.metrics == nullptr) return;
  const auto add = [&](const char* name, const char* help, auto count) {
    gauges_.push_back(world_.metrics->AddGauge(
        name, help, {}, [this, count] { return static_cast<double>((meta_.get()->*count)()); }));
  };
  add("tributary_meta_events_total", "Notices of the program about itself that were recorded.",
      &MetaEventWriter::appended);
  add("tributary_meta_events_lost_total", "Notices that could not be recorded.",
      &MetaEventWriter::lost);
}

void EngineImpl::AddGauges(Entry& entry) {
  if (world_.metrics == nullptr) return;
  const auto add = [&](const char* name, const char* help, auto member) {
    entry.gauges.push_back(
        world_.metrics->AddGauge(name, help, {{"destination", entry.spec.lane.name}},
                                 [lane = std::weak_ptr<Lane>(entry.lane), member] {
                                   const auto alive = lane.lock();
                                   return alive ? static_cast<double>(alive->stats().*member) : 0;
                                 }));
  };
  add("tributary_delivery_delivered_total", "Events delivered.", &LaneStats::delivered);
  add("tributary_delivery_filtered_total", "Events its rule did not want.", &LaneStats::filtered);
  add("tributary_delivery_dead_lettered_total", "Events given up.", &LaneStats::dead_lettered);
  add("tributary_delivery_dropped_total", "Events lost by a named rule.", &LaneStats::dropped);
  // The rules that a destination can meet while it is there.
  for (const DropRule rule : {DropRule::kRetention, DropRule::kDeleted, DropRule::kDeadLetterAge,
                              DropRule::kDeadLetterSize}) {
    entry.gauges.push_back(world_.metrics->AddGauge(
        "tributary_delivery_dropped_by_rule_total", "Events lost, by the rule that lost them.",
        {{"destination", entry.spec.lane.name}, {"rule", std::string(DropRuleName(rule))}},
        [lane = std::weak_ptr<Lane>(entry.lane), i = static_cast<std::size_t>(rule) - 1] {
          const auto alive = lane.lock();
          return alive ? static_cast<double>(alive->stats().dropped_by[i]) : 0;
        }));
  }
  add("tributary_dead_letter_bytes", "Bytes of the events of its dead letters.",
      &LaneStats::dead_letter_bytes);
  add("tributary_delivery_retrying", "Events that wait for another attempt.", &LaneStats::retrying);
  add("tributary_delivery_in_flight", "Attempts under way.", &LaneStats::in_flight);
  add("tributary_delivery_lag_records", "Records not looked at yet.", &LaneStats::lag);
}

std::vector<std::pair<std::string, bool>> Engine::Responses(const std::vector<PairTrace>& pairs) {
  std::vector<std::pair<std::string, bool>> out;
  for (const PairTrace& pair : pairs) {
    if (pair.state == PairState::kFiltered || pair.deleted_at_us) continue;
    out.emplace_back(pair.destination, pair.state == PairState::kDelivered);
  }
  return out;
}

}  // namespace tributary::deliver
