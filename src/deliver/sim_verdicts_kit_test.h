// What dedupe says, as the test decides it.
#pragma once

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "deliver/sim_clock_kit_test.h"
#include "log/verdicts.h"
#include "support/memory_log.h"

namespace tributary::deliver {

// Verdicts that the test decides. Decided at once; synced when asked for, some time later.
class FakeVerdicts final : public log::Verdicts {
 public:
  FakeVerdicts(Sim& sim, std::uint32_t partitions)
      : thread_(sim.NewExecutor()), decided_(partitions), synced_(partitions) {}

  // Everything the log has is decided now.
  void Decide(const log::Log& log) {
    for (log::Partition p = 0; p < decided_.size(); ++p) decided_[p] = log.committed(p);
    if (sync_by_itself) synced_ = decided_;
    Tell();
  }
  void Sync() {
    synced_ = decided_;
    Tell();
  }
  // What was only in memory is gone; listeners belonged to the old process.
  void Crash() {
    decided_ = synced_;
    listeners_.clear();
    sync_posted_ = false;
  }
  std::set<std::pair<log::Partition, log::Offset>> duplicates;
  bool sync_by_itself = false;  // synced the moment it is decided
  bool sync_never = false;
  MonoNanos sync_takes = 5 * kNanosPerMilli;
  bool claims_synced = false;  // the planted bug: says durable what is not

  log::Offset decided(log::Partition p) const override { return decided_[p]; }
  log::Offset synced(log::Partition p) const override {
    return claims_synced ? decided_[p] : synced_[p];
  }
  log::Offset truly_synced(log::Partition p) const { return synced_[p]; }
  bool IsDuplicate(log::Partition p, log::Offset o) const override {
    return duplicates.contains({p, o});
  }
  std::vector<bool> Duplicates(log::Partition p, log::Offset first,
                               log::Offset end) const override {
    std::vector<bool> out;
    for (log::Offset o = first; o < end; ++o) out.push_back(IsDuplicate(p, o));
    return out;
  }
  void RequestSync() override {
    if (sync_never || std::exchange(sync_posted_, true)) return;
    thread_.Post([this] {
      thread_.At(thread_.Now() + sync_takes, [this] {
        sync_posted_ = false;
        Sync();
      });
    });
  }
  void OnProgress(Listener listener) override { listeners_.push_back(std::move(listener)); }

 private:
  void Tell() {
    for (const Listener& listener : listeners_) listener();
  }
  Sim::Exec& thread_;
  std::vector<log::Offset> decided_;
  std::vector<log::Offset> synced_;
  std::vector<Listener> listeners_;
  bool sync_posted_ = false;
};

}  // namespace tributary::deliver
