// Power cuts at random moments, over and over, checked against what was promised: nothing that was
// acknowledged is lost or altered, nothing appears that was never appended, order is kept.
//
// One seed is one history: several producers append, maintenance makes, recompresses and deletes
// segments, the power goes at a random changing call (also inside recovery), and the machine comes
// back with every unsynced sector kept, dropped or garbled. A failing seed is replayed with
// TRIBUTARY_SEED=n build/tests/sim_test --gtest_filter='PowerLoss.*'.
#include <cstdlib>

#include "base/logging.h"
#include "sim/log_rig.h"
#include "support/scaled.h"

namespace tributary::sim {
namespace {

using log::Offset;

const std::uint64_t kSeeds = test::Seeds(5'000);
constexpr std::uint64_t kPlantedSeeds = 1'000;

struct Planted {
  bool ack_before_sync = false;
  bool no_directory_sync = false;
  bool stored_twice = false;  // one batch in a few goes in twice
  bool out_of_order = false;  // one batch in a few goes in before the one handed over first
};

// What the outside world knows.
struct Oracle {
  std::map<Offset, std::string> acknowledged;
  std::map<std::string, std::uint64_t> appended;  // every payload ever handed over → its producer
  Offset released = 0;                            // below it the only holder has let go
};

class LaneHolder final : public log::Holder {
 public:
  std::string name() const override { return "lane"; }
  Offset synced_cursor(log::Partition) const override { return cursor; }
  void ReleaseBelow(log::Partition, Offset) override {}
  Offset cursor = 0;
};

class History {
 public:
  History(std::uint64_t seed, Planted planted) : random_(seed), rig_(seed * 7 + 1) {
    rig_.options.first_segment_bytes = 4096;
    rig_.options.segment_bytes = random_.OneIn(2) ? 4096 : 16384;
    rig_.options.tail_window_bytes = random_.OneIn(2) ? 0 : 8192;
    rig_.options.commit_bytes_max = 1 + random_.Below(8192);
    rig_.options.recompress = !random_.OneIn(3);
    rig_.options.retention.age_us = random_.OneIn(2) ? kMicrosPerSecond : 3'600 * kMicrosPerSecond;
    if (random_.OneIn(4)) rig_.options.sync = log::SyncMode::kAlways;
    if (planted.ack_before_sync) rig_.fs().IgnoreSyncs();
    if (planted.no_directory_sync) rig_.fs().IgnoreDirSyncs();
    stored_twice_ = planted.stored_twice;
    out_of_order_ = planted.out_of_order;
  }

  // Empty: the promises held.
  std::string Run() {
    for (int life = 0; life < 5 && wrong_.empty(); ++life) {
      if (random_.OneIn(2)) rig_.fs().PowerOffAfter(random_.Below(40));  // perhaps in recovery
      if (Status opened = Reopen(); !opened) {
        if (rig_.fs().powered()) return "open failed: " + opened.error().ToString();
        Crash();
        continue;
      }
      Check();
      if (random_.OneIn(2)) rig_.fs().PowerOffAfter(random_.Below(60));
      Live();
      if (random_.OneIn(10) && rig_.fs().powered()) {
        rig_.CloseCleanly();
        Collect();
        if (random_.OneIn(2)) continue;
      }
      Crash();
    }
    if (!wrong_.empty()) return wrong_;
    Crash();
    if (Status opened = Reopen(); !opened) return "open failed: " + opened.error().ToString();
    Check();
    return wrong_;
  }

 private:
  struct InFlight {
    LogRig::OutcomePtr outcome;
    std::vector<std::string> payloads;
  };

  Status Reopen() {
    TRY(rig_.Open());
    lane_ = std::make_shared<LaneHolder>();
    lane_->cursor = oracle_.released;
    rig_.log().AddHolder(lane_);
    return {};
  }

  void Live() {
    const std::uint64_t actions = random_.Below(60);
    for (std::uint64_t i = 0; i < actions && rig_.fs().powered(); ++i) {
      switch (random_.Below(8)) {
        case 0:
        case 1:
        case 2:
          Produce();
          break;
        case 3:
        case 4:
          rig_.log().WriterStep();
          break;
        case 5:
          rig_.log().MaintainStep();
          break;
        case 6:
          rig_.clock.Advance(static_cast<MonoNanos>(random_.Below(400)) * kNanosPerMilli);
          break;
        default:
          MoveLane();
          break;
      }
      Collect();
    }
  }

  void Produce() {
    InFlight sent;
    const std::uint64_t records = random_.Between(1, 5);
    const std::uint64_t producer = random_.Below(3);
    for (std::uint64_t i = 0; i < records; ++i) {
      std::string payload = std::to_string(next_payload_++) + ":";
      const std::size_t size = random_.OneIn(20) ? 6'000 : random_.Below(700);
      while (payload.size() < size) payload += static_cast<char>('a' + random_.Below(26));
      oracle_.appended[payload] = producer;
      sent.payloads.push_back(std::move(payload));
    }
    if (out_of_order_ && held_back_.payloads.empty() && random_.OneIn(4)) {
      held_back_ = std::move(sent);
      return;
    }
    HandOver(std::move(sent));
    if (!held_back_.payloads.empty()) HandOver(std::exchange(held_back_, {}));
  }

  void HandOver(InFlight sent) {
    if (stored_twice_ && random_.OneIn(4)) rig_.Append(sent.payloads);
    sent.outcome = rig_.Append(sent.payloads);
    if (sent.outcome != nullptr) in_flight_.push_back(std::move(sent));
  }

  void Collect() {
    for (const InFlight& sent : in_flight_) {
      if (!sent.outcome->answered || !sent.outcome->result) continue;
      Offset offset = sent.outcome->result->first;
      for (const std::string& payload : sent.payloads) {
        if (!oracle_.acknowledged.emplace(offset++, payload).second) {
          wrong_ = "offset " + std::to_string(offset - 1) + " was given out twice";
        }
      }
    }
    std::erase_if(in_flight_, [](const InFlight& sent) { return sent.outcome->answered; });
  }

  void MoveLane() {
    const Offset end = rig_.log().committed(0);
    if (lane_->cursor >= end) return;
    lane_->cursor += random_.Below(end - lane_->cursor + 1);
    oracle_.released = lane_->cursor;
  }

  void Crash() {
    rig_.Drop();
    in_flight_.clear();
    rig_.fs().Crash(random_.Draw());
  }

  void Check() {
    const std::map<Offset, std::string> found = rig_.ReadAll();
    for (const auto& [offset, payload] : oracle_.acknowledged) {
      const auto at = found.find(offset);
      if (at == found.end()) {
        if (offset >= oracle_.released) return Wrong("lost", offset);
      } else if (at->second != payload) {
        return Wrong("altered", offset);
      }
    }
    // What a producer handed over later has a higher offset; so nothing is there twice either.
    std::map<std::uint64_t, std::uint64_t> next_of;  // producer → the lowest serial that may come
    for (const auto& [offset, payload] : found) {
      const auto appended = oracle_.appended.find(payload);
      if (appended == oracle_.appended.end()) return Wrong("invented", offset);
      const std::uint64_t serial = std::stoull(payload);
      std::uint64_t& next = next_of[appended->second];
      if (serial < next) return Wrong("stored twice, or out of its producer's order", offset);
      next = serial + 1;
    }
    if (!rig_.log().damage().empty()) {
      const log::Damage damage = rig_.log().damage().front();
      wrong_ = "healthy disk called damaged: " + damage.segment + " " + damage.what;
    }
  }

  void Wrong(const std::string& what, Offset offset) {
    wrong_ = "offset " + std::to_string(offset) + " was " + what;
  }

  SimRandom random_;
  LogRig rig_;
  Oracle oracle_;
  std::shared_ptr<LaneHolder> lane_;
  std::vector<InFlight> in_flight_;
  InFlight held_back_;
  std::uint64_t next_payload_ = 0;
  bool stored_twice_ = false;
  bool out_of_order_ = false;
  std::string wrong_;
};

// The first seed that breaks a promise; `seeds` if none does.
std::uint64_t FirstFailing(std::uint64_t seeds, Planted planted, std::string* why = nullptr) {
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    const std::string wrong = History(seed, planted).Run();
    if (wrong.empty()) continue;
    if (why != nullptr) *why = wrong;
    return seed;
  }
  return seeds;
}

class PowerLoss : public testing::Test {
 protected:
  void SetUp() override {
    SetLogging(std::getenv("TRIBUTARY_SEED") ? LogLevel::kDebug : LogLevel::kError,
               LogFormat::kText);
  }
  void TearDown() override { SetLogging(LogLevel::kInfo, LogFormat::kText); }
};

TEST_F(PowerLoss, NothingAcknowledgedIsLostAndNothingIsInvented) {
  if (const char* seed = std::getenv("TRIBUTARY_SEED")) {
    EXPECT_EQ(History(std::strtoull(seed, nullptr, 10), {}).Run(), "");
    return;
  }
  std::string why;
  const std::uint64_t failing = FirstFailing(kSeeds, {}, &why);
  EXPECT_EQ(failing, kSeeds) << "seed " << failing << ": " << why;
}

TEST_F(PowerLoss, AcknowledgingBeforeTheSyncIsFound) {
  EXPECT_LT(FirstFailing(kPlantedSeeds, {.ack_before_sync = true}), kPlantedSeeds);
}

TEST_F(PowerLoss, MissingDirectorySyncIsFound) {
  EXPECT_LT(FirstFailing(kPlantedSeeds, {.no_directory_sync = true}), kPlantedSeeds);
}

TEST_F(PowerLoss, ARecordStoredTwiceIsFound) {
  EXPECT_LT(FirstFailing(kPlantedSeeds, {.stored_twice = true}), kPlantedSeeds);
}

TEST_F(PowerLoss, AProducersRecordsOutOfOrderAreFound) {
  EXPECT_LT(FirstFailing(kPlantedSeeds, {.out_of_order = true}), kPlantedSeeds);
}

}  // namespace
}  // namespace tributary::sim
