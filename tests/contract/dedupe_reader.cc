// The dedupe stage by itself: its outcome of a record is the verdict.
#include <gtest/gtest.h>

#include "contract/reader_contract.h"
#include "dedupe/dedupe.h"

namespace tributary::contract {
namespace {

class DedupeReader final : public Reader {
 public:
  void Open(World& world) override {
    auto opened =
        dedupe::Dedupe::Open({&world.fs, &world.clock, &world.random, &world.log, &world.registry},
                             {.dir = "data/dedupe"});
    ASSERT_TRUE(opened) << opened.error().ToString();
    stage_ = *opened;
    log_ = &world.log;
  }
  ~DedupeReader() override {
    if (stage_ != nullptr) log_->RemoveHolder(stage_.get());
  }
  void Settle(World& world) override {
    while (stage_->Step()) {
    }
    stage_->RequestSync();
    world.clock.Advance(50 * kNanosPerMilli);
    while (stage_->Step()) {
    }
    for (log::Partition p = 0; p < world.log.partitions(); ++p) {
      ASSERT_EQ(stage_->synced(p), world.log.committed(p)) << stage_->failure();
    }
  }
  std::string Outcome(World& world, log::Partition partition) override {
    std::string out;
    for (log::Offset at = 0; at < world.log.committed(partition); ++at) {
      out += std::to_string(at) + (stage_->IsDuplicate(partition, at) ? " repeat\n" : " first\n");
    }
    return out;
  }

 private:
  std::shared_ptr<dedupe::Dedupe> stage_;
  test::MemoryLog* log_ = nullptr;
};

const ReaderRegistration kDedupe("dedupe", [] { return std::make_unique<DedupeReader>(); });

}  // namespace
}  // namespace tributary::contract
