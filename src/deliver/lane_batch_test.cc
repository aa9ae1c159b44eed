// Batches in a simulated world: what goes together, under which id, and what a power cut, a refusal
// or a change leaves of it.
#include <algorithm>

#include "base/hash.h"
#include "deliver/notice.h"
#include "deliver/sim_kit_test.h"
#include "support/durations.h"
#include "support/rewriting_store.h"
#include "support/scaled.h"

namespace tributary::deliver {
namespace {

using nlohmann::json;

using Numbers = std::vector<int>;

// The numbers that AppendNumbered() put into the events of one request.
Numbers NumbersIn(std::string_view body) {
  Numbers numbers;
  for (const json& event : json::parse(body)) numbers.push_back(event["n"]);
  return numbers;
}

struct BatchWorld : DeliverWorld {
  using DeliverWorld::DeliverWorld;
  Position AppendNumbered(int n, const std::string& key = {}, log::Partition p = 0) {
    return AppendAs(key, "Event", R"({"n":)" + std::to_string(n) + "}", p);
  }
  void AppendNumbers(int n) {
    for (int i = 0; i < n; ++i) AppendNumbered(i);
  }
  std::vector<Numbers> Requests() const {
    std::vector<Numbers> requests;
    for (const Seen& s : receivers.seen) {
      EXPECT_TRUE(s.batch);
      requests.push_back(NumbersIn(s.body));
    }
    return requests;
  }
  std::size_t StoredBatches() const {
    std::size_t n = 0;
    EXPECT_TRUE(
        store.ScanPrefix(store::Family::kOwned, store::keys::DeliveryBatchesOf(1), [&](auto, auto) {
          ++n;
          return store::Visit::kContinue;
        }));
    return n;
  }
};

Receivers::Answer Refuse(int status = 400) {
  Outcome outcome = status == 400 ? Outcome::Reject("HTTP 400") : Outcome::Retry("HTTP 500");
  outcome.status = status;
  return {.outcome = std::move(outcome)};
}

TEST(LaneBatch, SizeWaitAndBytesEndABatch) {
  BatchWorld w(1);
  w.Open();
  w.Make("hook", {{"batch", {{"size", 3}, {"wait", "2s"}}}});
  w.AppendNumbers(7);
  w.sim.RunFor(kS);
  EXPECT_EQ(w.Requests(), (std::vector<Numbers>{{0, 1, 2}, {3, 4, 5}}));
  w.sim.RunFor(2 * kS);
  EXPECT_EQ(w.Requests().back(), Numbers{6});
  EXPECT_EQ(w.Stats("hook").delivered, 7U);
  EXPECT_EQ(w.StoredBatches(), 0U);
  // `[{"n":0},{"n":1}]` has 17 bytes.
  ASSERT_TRUE(w.Patch("hook", {{"batch", {{"size", 100}, {"bytes", 17}, {"wait", "0s"}}}}));
  w.receivers.seen.clear();
  w.AppendNumbers(4);
  w.AppendAs("", "Event", R"({"n":4,"text":"more than seventeen bytes"})");
  w.sim.RunFor(kS);
  for (const Seen& s : w.receivers.seen) {
    EXPECT_TRUE(s.body.size() <= 17 || NumbersIn(s.body).size() == 1) << s.body;
  }
  EXPECT_EQ(w.Stats("hook").delivered, 12U);
}

TEST(LaneBatch, WrongOptionsAreRefusedByName) {
  BatchWorld w(2);
  w.Open();
  const auto field = [&](const json& batch, const char* type = "sim") {
    const auto made = w.Create({{"name", "d"}, {"type", type}, {"batch", batch}});
    if (!made) return made.error().field();
    EXPECT_TRUE(w.Delete("d"));
    return std::string("accepted");
  };
  EXPECT_EQ(field({{"size", 0}}), "batch.size");
  EXPECT_EQ(field({{"size", kBatchEventsMax + 1}}), "batch.size");
  EXPECT_EQ(field({{"size", kBatchEventsMax}}), "accepted");
  EXPECT_EQ(field({{"wait", "61s"}}), "batch.wait");
  EXPECT_EQ(field({{"wait", "60s"}}), "accepted");
  EXPECT_EQ(field({{"bytes", 0}}), "batch.bytes");
  EXPECT_EQ(field({{"bytes", kBatchBytesMax + 1}}), "batch.bytes");
  EXPECT_EQ(field({{"bytes", kBatchBytesMax}}), "accepted");
  EXPECT_EQ(field({{"split", 1}}), "batch.split");
  EXPECT_EQ(field({{"size", 2}}, "sink"), "batch.size");
}

TEST(LaneBatch, ItsIdIsMadeOfItsMembersAndTheSameForEveryAttemptAndAfterARestart) {
  BatchWorld w(3);
  w.Open();
  w.Make("hook", {{"batch", {{"size", 3}}}, {"retry", {{"schedule", {"0s", "10s", "10s"}}}}});
  w.receivers.answer = [](const std::string&, const Delivery& d) {
    return d.attempt < 3 ? Refuse(500) : Receivers::Answer{};
  };
  w.AppendNumbers(3);
  w.sim.RunFor(kS);
  const PairTrace waiting = w.Trace("hook", {0, 1});
  EXPECT_EQ(waiting.state, PairState::kRetrying);
  EXPECT_EQ(waiting.attempts.size(), 1U);
  EXPECT_TRUE(waiting.next_attempt_at_us.has_value());
  EXPECT_EQ(w.Stats("hook").retrying, 3U);
  w.Crash(3);
  w.Open();
  w.AppendNumbers(3);
  w.sim.RunFor(40 * kS);
  EXPECT_EQ(w.Stats("hook").delivered, 6U);
  // destination 1, source 1, message ids m0-0 to m0-2
  std::string ids;
  for (const char* id : {"m0-0", "m0-1", "m0-2"}) {
    ids += "msg_" + HashOf128(std::string("\x01\0\0\0\x01\0\0\0", 8) + id).ToHex();
  }
  std::size_t attempts = 0;
  for (const Seen& s : w.receivers.seen) {
    if (s.at.offset != 0) continue;
    ++attempts;
    EXPECT_EQ(s.webhook_id, "msg_" + HashOf128(ids).ToHex());
    EXPECT_EQ(NumbersIn(s.body), (Numbers{0, 1, 2}));
  }
  EXPECT_EQ(attempts, 3U);
  const PairTrace trace = w.Trace("hook", {0, 2});
  EXPECT_EQ(trace.state, PairState::kDelivered);
  EXPECT_EQ(trace.webhook_id, "msg_" + HashOf128(ids).ToHex());
  EXPECT_EQ(trace.attempts_total, 3U);
}

TEST(LaneBatch, APoisonMemberIsFoundAndOnlyItIsDeadLettered) {
  BatchWorld w(4);
  w.Open();
  w.Make("hook", {{"batch", {{"size", 16}, {"wait", "1s"}}}});
  w.receivers.answer = [](const std::string&, const Delivery& d) {
    const Numbers numbers = NumbersIn(d.body);
    return std::ranges::find(numbers, 11) != numbers.end() ? Refuse() : Receivers::Answer{};
  };
  w.AppendNumbers(16);
  w.sim.RunFor(10 * kS);
  EXPECT_EQ(w.Stats("hook").delivered, 15U);
  EXPECT_EQ(w.Stats("hook").dead_lettered, 1U);
  EXPECT_EQ(w.Trace("hook", {0, 11}).state, PairState::kDeadLettered);
  EXPECT_EQ(w.receivers.seen.size(), 1U + 2 * 4);
  EXPECT_EQ(w.StoredBatches(), 0U);
}

TEST(LaneBatch, WithoutSplittingAllMembersAreDeadLettered) {
  BatchWorld w(5);
  w.Open();
  w.Make("hook", {{"batch", {{"size", 4}, {"split", false}}}});
  w.receivers.answer = [](const std::string&, const Delivery&) { return Refuse(); };
  w.AppendNumbers(4);
  w.sim.RunFor(kS);
  EXPECT_EQ(w.receivers.seen.size(), 1U);
  EXPECT_EQ(w.Stats("hook").dead_lettered, 4U);
  const auto dead = w.store.Get(store::Family::kOwned, store::keys::DeadLetter(1, {0, 3}));
  EXPECT_EQ(DecodeDead(**dead)->reason, "HTTP 400");
}

TEST(LaneBatch, MembersThatTheReceiverRefusedAloneAreDeadLetteredAndTheOthersDelivered) {
  BatchWorld w(16);
  w.Open();
  w.Make("hook", {{"order", "key"}, {"batch", {{"size", 4}}}});
  w.receivers.answer = [](const std::string&, const Delivery& d) {
    Outcome outcome;
    if (d.members == 4) outcome.rejected = {{1, "no_name: it lacks one"}, {3, "too_old: by far"}};
    return Receivers::Answer{.outcome = std::move(outcome)};
  };
  for (int i = 0; i < 4; ++i) w.AppendNumbered(i, "a");
  w.sim.RunFor(kS);
  EXPECT_EQ(w.receivers.seen.size(), 1U);
  EXPECT_EQ(w.Stats("hook").delivered, 2U);
  EXPECT_EQ(w.Stats("hook").dead_lettered, 2U);
  EXPECT_EQ(w.Trace("hook", {0, 2}).state, PairState::kDelivered);
  const PairTrace refused = w.Trace("hook", {0, 3});
  EXPECT_EQ(refused.state, PairState::kDeadLettered);
  ASSERT_EQ(refused.attempts.size(), 1U);
  EXPECT_EQ(refused.attempts[0].error, "too_old: by far");
  const auto dead = w.store.Get(store::Family::kOwned, store::keys::DeadLetter(1, {0, 1}));
  EXPECT_EQ(DecodeDead(**dead)->reason, "no_name: it lacks one");
  EXPECT_EQ(w.StoredBatches(), 0U);
  w.AppendNumbered(4, "a");  // nobody holds the key any more
  w.sim.RunFor(kS);
  EXPECT_EQ(w.Stats("hook").delivered, 3U);
}

TEST(LaneBatch, TheHalvesHaveTheWholeScheduleBeforeThem) {
  BatchWorld w(6);
  w.Open();
  w.Make("hook", {{"batch", {{"size", 8}}}, {"retry", {{"schedule", {"0s", "1s"}}}}});
  bool refused = false;
  w.receivers.answer = [&](const std::string&, const Delivery& d) {
    if (!std::exchange(refused, true)) return Refuse();
    return d.attempt == 2 ? Refuse(500) : Receivers::Answer{};
  };
  w.AppendNumbers(8);
  w.sim.RunFor(20 * kS);
  EXPECT_EQ(w.Stats("hook").delivered, 8U);
}

// One attempt per second, so that the last of the halves go long after the whole was refused.
TEST(LaneBatch, HalvesThatWereNotSentYetAreNotTooLate) {
  BatchWorld w(20);
  w.Open();
  w.Make("hook", {{"batch", {{"size", 64}}},
                  {"concurrency", 8},
                  {"rate_limit", 1},
                  {"retry", {{"schedule", {"0s", "1s", "1s"}}, {"total", "5s"}}}});
  w.receivers.answer = [](const std::string&, const Delivery& d) {
    const Numbers numbers = NumbersIn(d.body);
    return std::ranges::find(numbers, 43) != numbers.end() ? Refuse() : Receivers::Answer{};
  };
  w.AppendNumbers(64);
  w.sim.RunFor(3 * kS);
  w.Crash(20);  // what is not sent yet, is not late after a restart either
  w.Open();
  w.sim.RunFor(120 * kS);
  EXPECT_EQ(w.Stats("hook").delivered, 63U);
  EXPECT_EQ(w.Stats("hook").dead_lettered, 1U);
  EXPECT_EQ(w.Trace("hook", {0, 43}).state, PairState::kDeadLettered);
}

TEST(LaneBatch, ATotalThatIsOverEndsHalvesThatWereSent) {
  BatchWorld w(21);
  w.Open();
  const json schedule{"0s", "1s", "1s", "1s", "1s", "1s", "1s", "1s"};
  w.Make("hook", {{"batch", {{"size", 2}}}, {"retry", {{"schedule", schedule}, {"total", "3s"}}}});
  w.receivers.answer = [](const std::string&, const Delivery& d) {
    return Refuse(d.members == 2 ? 400 : 500);
  };
  w.AppendNumbers(2);
  w.sim.RunFor(20 * kS);
  EXPECT_EQ(w.Stats("hook").dead_lettered, 2U);
  EXPECT_LE(w.Trace("hook", {0, 1}).attempts_total, 5U);
  EXPECT_NE(w.Trace("hook", {0, 1}).reason.find("retry.total"), std::string::npos);
}

TEST(LaneBatch, InOrderOfKeysMembersStayInOrderAndTheirKeysAreHeld) {
  BatchWorld w(7);
  w.Open();
  w.Make("hook",
         {{"order", "key"}, {"batch", {{"size", 4}}}, {"retry", {{"schedule", {"0s", "10s"}}}}});
  w.receivers.answer = [](const std::string&, const Delivery& d) {
    return d.record->offset == 0 && d.attempt == 1 ? Refuse(500) : Receivers::Answer{};
  };
  const char* keys[] = {"a", "b", "a", "b"};
  for (int i = 0; i < 4; ++i) w.AppendNumbered(i, keys[i]);
  w.sim.RunFor(kS);
  for (int i = 4; i < 8; ++i) w.AppendNumbered(i, "a");
  for (int i = 8; i < 12; ++i) w.AppendNumbered(i, "c");
  w.sim.RunFor(kS);
  EXPECT_EQ(w.Requests(), (std::vector<Numbers>{{0, 1, 2, 3}, {8, 9, 10, 11}}));
  EXPECT_EQ(w.Stats("hook").followers, 4U);
  w.Crash(7);
  w.Open();
  w.sim.RunFor(20 * kS);
  EXPECT_EQ(w.Requests(),
            (std::vector<Numbers>{{0, 1, 2, 3}, {8, 9, 10, 11}, {0, 1, 2, 3}, {4, 5, 6, 7}}));
}

// They would go together if they fitted.
TEST(LaneBatch, FollowersOfAKeyThatDoNotFitIntoOneBatchGoOneAfterAnother) {
  BatchWorld w(18);
  w.Open();
  w.Make("hook", {{"order", "key"},
                  {"concurrency", 4},
                  {"batch", {{"size", 4}, {"bytes", 50}}},
                  {"retry", {{"schedule", {"0s", "1s"}}}}});
  w.receivers.answer = [](const std::string&, const Delivery& d) {
    const bool refuses = NumbersIn(d.body).front() == 0 && d.attempt == 1;
    return refuses ? Refuse(500) : Receivers::Answer{.outcome = {}, .after = 50 * kMs};
  };
  w.AppendNumbered(0, "a");
  w.sim.RunFor(100 * kMs);
  for (int n = 1; n < 6; ++n) {
    w.AppendAs("a", "Event", R"({"n":)" + std::to_string(n) + R"(,"pad":"01234567890"})", 0);
  }
  w.sim.RunFor(10 * kS);
  EXPECT_EQ(w.Requests(), (std::vector<Numbers>{{0}, {0}, {1}, {2}, {3}, {4}, {5}}));
  for (std::size_t i = 1; i < w.receivers.seen.size(); ++i) {
    EXPECT_GE(w.receivers.seen[i].when, w.receivers.seen[i - 1].answered_at) << i;
  }
  EXPECT_EQ(w.Stats("hook").delivered, 6U);
}

TEST(LaneBatch, HalvesThatShareAKeyGoOneAfterAnother) {
  BatchWorld w(8);
  w.Open();
  w.Make("hook", {{"order", "key"}, {"batch", {{"size", 8}}}});
  w.receivers.answer = [](const std::string&, const Delivery& d) {
    const Numbers numbers = NumbersIn(d.body);
    if (std::ranges::find(numbers, 2) != numbers.end()) return Refuse();
    return Receivers::Answer{.outcome = {}, .after = 50 * kMs};
  };
  for (int i = 0; i < 8; ++i) w.AppendNumbered(i, "a");
  w.sim.RunFor(10 * kS);
  Numbers taken;
  for (const Seen& s : w.receivers.seen) {
    if (s.accepted) std::ranges::copy(NumbersIn(s.body), std::back_inserter(taken));
  }
  EXPECT_EQ(taken, (Numbers{0, 1, 3, 4, 5, 6, 7}));
  EXPECT_EQ(w.Stats("hook").dead_lettered, 1U);
}

TEST(LaneBatch, AMemberThatHoldsUpOthersForTooLongLeavesTheBatch) {
  BatchWorld w(9);
  w.Open();
  w.Make("hook", {{"order", "key"},
                  {"order_wait", "30s"},
                  {"batch", {{"size", 2}}},
                  {"retry", {{"schedule", {"0s", "1h", "1h"}}}}});
  w.receivers.answer = [](const std::string&, const Delivery& d) {
    return d.record->offset < 2 && d.attempt == 1 ? Refuse(500) : Receivers::Answer{};
  };
  w.AppendNumbered(0, "a");
  w.AppendNumbered(1, "b");
  w.sim.RunFor(kS);
  w.AppendNumbered(2, "a");
  w.sim.RunFor(60 * kS);
  EXPECT_EQ(w.Trace("hook", {0, 0}).state, PairState::kDeadLettered);
  EXPECT_EQ(w.Trace("hook", {0, 1}).state, PairState::kRetrying);
  EXPECT_EQ(w.Trace("hook", {0, 2}).state, PairState::kDelivered);
  w.sim.RunFor(3 * 3'600 * kS);
  EXPECT_EQ(w.Trace("hook", {0, 1}).state, PairState::kDelivered);
}

TEST(LaneBatch, SwitchedOffABatchThatWaitsKeepsItsComposition) {
  BatchWorld w(10);
  w.Open();
  w.Make("hook", {{"batch", {{"size", 3}}}, {"retry", {{"schedule", {"0s", "10s"}}}}});
  w.receivers.answer = [](const std::string&, const Delivery& d) {
    return d.attempt == 1 && d.batch ? Refuse(500) : Receivers::Answer{};
  };
  w.AppendNumbers(3);
  w.sim.RunFor(kS);
  ASSERT_TRUE(w.Patch("hook", {{"batch", {{"size", 1}}}}));
  w.AppendNumbered(3);
  w.sim.RunFor(20 * kS);
  ASSERT_EQ(w.receivers.seen.size(), 3U);
  EXPECT_FALSE(w.receivers.seen[1].batch);
  EXPECT_EQ(NumbersIn(w.receivers.seen[2].body), (Numbers{0, 1, 2}));
  EXPECT_EQ(w.receivers.seen[2].webhook_id, w.receivers.seen[0].webhook_id);
}

TEST(LaneBatch, ATypeThatTakesNoBatchesGetsTheMembersOneByOne) {
  BatchWorld w(11);
  w.Open();
  w.Make("hook", {{"order", "key"},
                  {"batch", {{"size", 3}}},
                  {"retry", {{"schedule", {"0s", "10s", "10s"}}}}});
  w.receivers.answer = [](const std::string&, const Delivery& d) {
    return d.batch ? Refuse(500) : Receivers::Answer{};
  };
  for (int i = 0; i < 3; ++i) w.AppendNumbered(i, "a");
  w.sim.RunFor(kS);
  ASSERT_TRUE(w.Patch("hook", {{"type", "sim_single"}, {"batch", {{"size", 1}}}}));
  w.sim.RunFor(20 * kS);
  EXPECT_EQ(w.Stats("hook").delivered, 3U);
  std::vector<log::Offset> singles;
  for (const Seen& s : w.receivers.seen) {
    if (!s.batch) singles.push_back(s.at.offset);
  }
  EXPECT_EQ(singles, (std::vector<log::Offset>{0, 1, 2}));
}

// The second half waits for the first; taken apart, their members still go one after another.
TEST(LaneBatch, HalvesThatAreTakenApartKeepTheOrderOfTheirKey) {
  BatchWorld w(19);
  w.Open();
  w.Make("hook", {{"order", "key"},
                  {"concurrency", 8},
                  {"batch", {{"size", 4}}},
                  {"retry", {{"schedule", {"0s", "10s", "10s"}}}}});
  w.receivers.answer = [](const std::string&, const Delivery& d) {
    if (d.batch) return Refuse(d.members == 4 ? 400 : 500);
    return Receivers::Answer{.outcome = {}, .after = 50 * kMs};
  };
  for (int i = 0; i < 4; ++i) w.AppendNumbered(i, i % 2 == 0 ? "a" : "b");
  w.sim.RunFor(kS);
  ASSERT_EQ(w.Requests(), (std::vector<Numbers>{{0, 1, 2, 3}, {0, 1}}));
  ASSERT_TRUE(w.Patch("hook", {{"type", "sim_single"}, {"batch", {{"size", 1}}}}));
  w.sim.RunFor(30 * kS);
  EXPECT_EQ(w.Stats("hook").delivered, 4U);
  EXPECT_EQ(w.StoredBatches(), 0U);
  std::map<std::string, MonoNanos> free_at;  // when the one before of its key was answered
  std::map<std::string, std::vector<log::Offset>> order;
  for (const Seen& s : w.receivers.seen) {
    if (s.batch) continue;
    EXPECT_GE(s.when, free_at[s.key]) << s.at.offset << " overtook one of its key";
    free_at[s.key] = s.answered_at;
    order[s.key].push_back(s.at.offset);
  }
  EXPECT_EQ(order["a"], (std::vector<log::Offset>{0, 2}));
  EXPECT_EQ(order["b"], (std::vector<log::Offset>{1, 3}));
}

TEST(LaneBatch, RowsThatWaitedBeforeJoinAndThoseTriedBeforeGoAlone) {
  BatchWorld w(12);
  w.Open();
  w.Make("hook", {{"retry", {{"schedule", {"0s", "10s"}}}}});
  w.receivers.answer = [](const std::string&, const Delivery& d) {
    return d.attempt == 1 && !d.batch ? Refuse(500) : Receivers::Answer{};
  };
  w.AppendNumbers(2);
  w.sim.RunFor(kS);
  ASSERT_TRUE(w.Patch("hook", {{"batch", {{"size", 5}}}}));
  w.sim.RunFor(20 * kS);
  EXPECT_EQ(w.Stats("hook").delivered, 2U);
  EXPECT_EQ(w.Trace("hook", {0, 1}).attempts_total, 2U);
  EXPECT_EQ(NumbersIn(w.receivers.seen.back().body).size(), 1U);
}

TEST(LaneBatch, RetentionKeepsTheEventsOfABatchThatWaits) {
  BatchWorld w(13);
  w.Open();
  w.Make("hook", {{"batch", {{"size", 4}}}, {"retry", {{"schedule", {"0s", "1h"}}}}});
  w.receivers.answer = [](const std::string&, const Delivery& d) {
    return d.attempt == 1 ? Refuse(500) : Receivers::Answer{};
  };
  w.AppendNumbers(4);
  w.sim.RunFor(kS);
  w.log.AskRelease(0, 4);
  w.sim.RunFor(kS);
  w.log.RetainTo(0, 4);
  w.Crash(13);
  w.Open();
  ASSERT_TRUE(w.sim.RunUntil([&] { return w.Stats("hook").delivered == 4; }, 2 * 3'600 * kS));
  EXPECT_EQ(NumbersIn(w.receivers.seen.back().body), (Numbers{0, 1, 2, 3}));
  EXPECT_EQ(w.receivers.seen.back().webhook_id, w.receivers.seen.front().webhook_id);
}

// One header says of a whole request that its events were notices.
TEST(LaneBatch, NoticesAndOtherEventsShareNoBatch) {
  BatchWorld w(22);
  w.Open();
  w.Make("hook", {{"batch", {{"size", 10}, {"wait", "1s"}}}});
  for (int i = 0; i < 9; ++i) {
    const bool notice = i >= 3 && i < 5;
    w.AppendAs({}, "Event", R"({"n":)" + std::to_string(i) + "}", 0, notice ? kFlagNotice : 0);
  }
  w.sim.RunFor(5 * kS);
  EXPECT_EQ(w.Requests(), (std::vector<Numbers>{{0, 1, 2}, {3, 4}, {5, 6, 7, 8}}));
}

// Nor when they wait as rows first.
TEST(LaneBatch, NoticesThatWaitedShareNoBatchWithOthers) {
  BatchWorld w(23);
  w.Open();
  w.Make("hook", {{"batch", {{"size", 10}, {"wait", "1s"}}}, {"retry", {{"schedule", {"1s"}}}}});
  w.receivers.answer = [](const std::string&, const Delivery& d) {
    const bool notice = IsNotice(d.record->fields);
    for (const int n : NumbersIn(d.body)) EXPECT_EQ(n % 3 == 0, notice) << d.body;
    return Receivers::Answer{};
  };
  for (int i = 0; i < 9; ++i) {
    w.AppendAs({}, "Event", R"({"n":)" + std::to_string(i) + "}", 0, i % 3 == 0 ? kFlagNotice : 0);
  }
  w.sim.RunFor(30 * kS);
  EXPECT_EQ(w.Stats("hook").delivered, 9U);
}

TEST(LaneBatch, DrainLeavesWhatOnlyGatheredInTheLog) {
  BatchWorld w(14);
  w.Open();
  w.Make("hook", {{"batch", {{"size", 10}, {"wait", "60s"}}}});
  w.AppendNumbers(3);
  w.sim.RunFor(kS);
  bool closed = false;
  w.engine->Close(w.sim.Monotonic() + 5 * kS, [&] { closed = true; });
  w.sim.RunFor(kS);
  EXPECT_TRUE(closed);
  EXPECT_TRUE(w.receivers.seen.empty());
  w.Crash(14);
  w.Open();
  w.sim.RunFor(61 * kS);
  EXPECT_EQ(w.Requests(), (std::vector<Numbers>{{0, 1, 2}}));
}

TEST(LaneBatch, DeletingCountsWhatWaitsAndWhatGathers) {
  BatchWorld w(15);
  w.Open();
  w.Make("hook", {{"batch", {{"size", 2}, {"wait", "60s"}}}});
  w.receivers.answer = [](const std::string&, const Delivery&) { return Refuse(500); };
  w.AppendNumbers(3);
  w.sim.RunFor(kS);
  ASSERT_TRUE(w.Delete("hook").has_value());
  EXPECT_EQ(w.StoredBatches(), 0U);
  const StoredCursor end =
      DecodeCursor(**w.store.Get(store::Family::kOwned, store::keys::Cursor(1, 0))).value();
  EXPECT_EQ(end.counts.dropped, 3U);
}

// Batches, with or without keys, through failures, refusals and power cuts. Every pair ends in one
// state; whatever was sent with an id is sent again with exactly the same members; of a key nothing
// overtakes. Returns how many requests broke that.
std::size_t Broken(std::uint64_t seed, bool plant) {
  BatchWorld w(seed, 1 + seed % 3);
  // The planted bug: what is sent was not durable before.
  test::RewritingStore planted(
      w.store, test::Suffering(test::PutMistake::kNotSynced, [](const store::Batch::Op& op) {
        return store::keys::ParseDeliveryBatch(op.key).has_value();
      }));
  store::Store& on = plant ? static_cast<store::Store&>(planted) : w.store;
  std::mt19937_64 random(seed);
  const bool ordered = seed % 2 == 0;
  w.OpenOn(on);
  w.Make("hook", {{"order", ordered ? "key" : "none"},
                  {"concurrency", 3},
                  {"order_wait", "20s"},
                  {"batch", {{"size", 2 + seed % 5}, {"wait", seed % 4 == 0 ? "20ms" : "0s"}}},
                  {"retry", {{"schedule", {"0s", "50ms", "100ms", "10s"}}}}});
  std::set<int> poison;
  std::size_t broken = 0;
  w.receivers.answer = [&](const std::string&, const Delivery& d) {
    Receivers::Answer answer{.outcome = {}, .after = static_cast<MonoNanos>(random() % 20) * kMs};
    for (const int n : NumbersIn(d.body)) {
      if (poison.contains(n)) answer.outcome = Outcome::Reject("HTTP 400");
    }
    if (random() % 10 < 3) answer.outcome = Outcome::Retry("HTTP 500");
    return answer;
  };
  int events = 0;
  std::map<int, std::string> keys;
  std::vector<std::size_t> runs{0};
  for (int round = 0; round < 5; ++round) {
    for (std::uint64_t n = random() % 40; n > 0; --n) {
      const auto key = random() % 4;
      keys[events] = "k" + std::to_string(key);
      if (random() % 15 == 0) poison.insert(events);
      w.AppendNumbered(events, keys[events], static_cast<log::Partition>(key % w.log.partitions()));
      ++events;
    }
    w.sim.RunFor(static_cast<MonoNanos>(random() % 300) * kMs);
    w.Crash(random());
    runs.push_back(w.receivers.seen.size());
    w.OpenOn(on);
  }
  const auto settled = [&] {
    return static_cast<int>(w.Stats("hook").delivered + w.Stats("hook").dead_lettered);
  };
  w.sim.RunUntil([&] { return settled() == events; }, 3'600 * kS);
  w.sim.RunFor(kS);  // until that is in the store
  if (!plant) {
    EXPECT_EQ(settled(), events) << "seed " << seed;
    EXPECT_EQ(w.Stats("hook").retrying + w.Stats("hook").followers, 0U) << "seed " << seed;
    EXPECT_EQ(w.StoredBatches(), 0U) << "seed " << seed;
  }
  broken += static_cast<std::size_t>(events - settled());
  std::map<int, std::string> id_of;  // in which request a number was first sent; unless refused
  std::map<std::string, int> newest;
  for (std::size_t i = 0; i < w.receivers.seen.size(); ++i) {
    if (std::ranges::find(runs, i) != runs.end()) newest.clear();
    const Numbers numbers = NumbersIn(w.receivers.seen[i].body);
    bool refused = false;
    for (const int n : numbers) {
      refused = refused || poison.contains(n);
      if (!ordered || !w.receivers.seen[i].accepted) continue;  // what failed comes again
      int& last = newest[keys[n]];
      if (last > n) ++broken;
      last = n;
    }
    for (const int n : numbers) {
      const auto [known, fresh] = id_of.insert({n, w.receivers.seen[i].webhook_id});
      if (!fresh && known->second != w.receivers.seen[i].webhook_id) ++broken;
      if (refused) id_of.erase(n);  // its halves have ids of their own
    }
  }
  return broken;
}

TEST(LaneBatch, CompositionOrderAndConservationHoldAcrossCrashes) {
  for (std::uint64_t seed = 0; seed < test::Scaled(300); ++seed) {
    ASSERT_EQ(Broken(seed, false), 0U) << "seed " << seed;
    if (testing::Test::HasFailure()) return;
  }
}

TEST(LaneBatch, ABatchThatIsSentBeforeItsCompositionIsDurableIsFound) {
  bool found = false;
  for (std::uint64_t seed = 0; seed < 100 && !found; ++seed) found = Broken(seed, true) > 0;
  EXPECT_TRUE(found);
}

}  // namespace
}  // namespace tributary::deliver
