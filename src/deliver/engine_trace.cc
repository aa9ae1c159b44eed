// What became of one record: what the lanes know is asked on their loops, the rows are read on the
// committer thread.
#include <algorithm>

#include "deliver/dead_letter_service.h"
#include "deliver/dropped_pairs.h"
#include "deliver/engine_impl.h"

namespace tributary::deliver {

using store::Family;
namespace keys = store::keys;

struct EngineImpl::Tracing {
  log::Log::Found found;  // keeps the record's memory
  Done<std::vector<PairTrace>> done;
  std::vector<std::pair<std::string, EntryPtr>> entries;  // by name
  std::vector<std::optional<LanePair>> pairs;             // one per entry; each written by one loop
  std::atomic<std::size_t> loops_left{0};
};

void EngineImpl::Trace(log::Partition partition, log::Offset offset,
                       Done<std::vector<PairTrace>> done) {
  OnCommitter([this, partition, offset, done = std::move(done)](const Status& go) mutable {
    if (!go) {
      done(std::unexpected(go.error()));
      return;
    }
    auto found = world_.log->ReadOne(partition, offset);
    if (!found) {
      done(std::unexpected(found.error()));
      return;
    }
    auto tracing = std::make_shared<Tracing>();
    tracing->found = std::move(*found);
    tracing->done = std::move(done);
    StartTrace(std::move(tracing));
  });
}

void EngineImpl::StartTrace(std::shared_ptr<Tracing> tracing) {
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, entry] : by_name_) tracing->entries.emplace_back(name, entry);
  }
  tracing->pairs.resize(tracing->entries.size());
  tracing->loops_left = loops_.size();
  for (const auto& state : loops_) {
    state->loop.executor->Post([this, tracing, loop = state.get()] {
      for (std::size_t i = 0; i < tracing->entries.size(); ++i) {
        const Entry& entry = *tracing->entries[i].second;
        if (entry.loop.get() == loop) tracing->pairs[i] = entry.lane->PairAt(tracing->found.record);
      }
      if (tracing->loops_left.fetch_sub(1) == 1) AskFilters(tracing);
    });
  }
}

// Of pairs that are settled and left no row only the condition can say how. One after another, on
// the first loop.
void EngineImpl::AskFilters(const std::shared_ptr<Tracing>& tracing) {
  std::optional<LanePair>* pair = nullptr;
  for (auto& candidate : tracing->pairs) {
    if (candidate && candidate->filter != nullptr) pair = &candidate;
  }
  if (pair == nullptr) {
    os::Executor& reads = world_.reads != nullptr ? *world_.reads : *world_.blocking;
    reads.Post([this, tracing] { FinishTrace(*tracing); });
    return;
  }
  const std::string payload(tracing->found.record.payload);
  world_.programs->Run(std::exchange((*pair)->filter, nullptr), payload,
                       *loops_.front()->loop.executor,
                       [this, tracing, pair](const Result<std::string>& answer) {
                         if (!answer && answer.error().code() == ErrorCode::kUnavailable) {
                           tracing->done(std::unexpected(answer.error()));
                           return;
                         }
                         if (answer && *answer != "true") (*pair)->state = PairState::kFiltered;
                         (*pair)->asked = true;
                         AskFilters(tracing);
                       });
}

void EngineImpl::FinishTrace(Tracing& tracing) {
  std::vector<PairTrace> out;
  for (std::size_t i = 0; i < tracing.entries.size(); ++i) {
    if (!tracing.pairs[i]) continue;
    auto pair = ReadPair(tracing, i);
    if (!pair) {
      tracing.done(std::unexpected(pair.error()));
      return;
    }
    out.push_back(std::move(*pair));
  }
  tracing.done(std::move(out));
}

Result<PairTrace> EngineImpl::ReadPair(const Tracing& tracing, std::size_t i) {
  const auto& [name, entry] = tracing.entries[i];
  const LanePair& known = *tracing.pairs[i];
  const log::RecordView& record = tracing.found.record;
  const Position at{record.partition, record.offset};
  PairTrace trace{.destination = name,
                  .state = known.state,
                  .delivery_id = DeliveryId(entry->id, at),
                  .webhook_id = WebhookId(entry->id, record),
                  .rule_revision = known.rule_revision,
                  .attempts_total = known.attempts_total,
                  .next_attempt_at_us = known.next_attempt_at_us};
  if (known.state == PairState::kFiltered && !known.asked) return trace;
  if (known.state == PairState::kDelivered || known.asked) {
    // What retention took was not asked about: it is dropped, whatever its condition says.
    TRY_ASSIGN(const auto rule, DroppedBy(*world_.store, entry->id, at));
    if (rule) {
      trace.state = PairState::kDropped;
      trace.rule = DropRuleName(*rule);
    }
  }
  if (trace.state == PairState::kFiltered) return trace;
  // Of what was not kept as a row, and is no longer remembered by its lane, the delivery log tells.
  TRY_ASSIGN(std::vector<StoredAttempt> attempts,
             MergedAttempts(DeliveriesWorldOf(), entry->id, at, known));
  for (StoredAttempt& attempt : attempts) {
    trace.attempts_total = std::max(trace.attempts_total, attempt.number);
    if (attempt.batch != Hash128{}) trace.webhook_id = WebhookIdText(attempt.batch);
    trace.attempts.push_back(std::move(attempt.attempt));
  }
  if (known.batch != Hash128{}) trace.webhook_id = WebhookIdText(known.batch);
  if (attempts.empty() && trace.state == PairState::kDelivered) trace.attempts_total = 1;
  return trace;
}

}  // namespace tributary::deliver
