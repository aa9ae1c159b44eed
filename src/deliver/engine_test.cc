// Destinations as the control API sees them: what is refused and how it is named, what is hidden,
// from when a change counts.
#include "deliver/rule_history.h"
#include "deliver/sim_kit_test.h"
#include "support/durations.h"

namespace tributary::deliver {
namespace {

using nlohmann::json;

std::string FieldOf(const Result<std::string>& result) {
  return result ? "accepted" : result.error().field();
}

TEST(Engine, WrongInputIsRefusedByField) {
  DeliverWorld w(1);
  w.Open();
  const auto with = [&](json more) {
    json object{{"name", "d"}, {"type", "sim"}};
    object.update(more);
    return FieldOf(w.Create(object));
  };
  EXPECT_EQ(FieldOf(w.Create({{"name", "d"}})), "type");
  EXPECT_EQ(with({{"type", "smtp"}}), "type");
  EXPECT_EQ(with({{"name", ""}}), "name");
  EXPECT_EQ(with({{"name", "a\nb"}}), "name");
  EXPECT_EQ(with({{"name", std::string(kNameBytesMax + 1, 'n')}}), "name");
  EXPECT_EQ(with({{"concurency", 3}}), "concurency");
  EXPECT_EQ(with({{"concurrency", 0}}), "concurrency");
  EXPECT_EQ(with({{"concurrency", kConcurrencyMax + 1}}), "concurrency");
  EXPECT_EQ(with({{"rate_limit", -1}}), "rate_limit");
  EXPECT_EQ(w.Create({{"name", "d"}, {"type", "sim"}, {"rate_limit", 1e300}}).error().message(),
            "rate_limit must be from 0 to 1000000");
  EXPECT_EQ(with({{"start", "soon"}}), "start");
  EXPECT_EQ(with({{"timeout", "x"}}), "timeout");
  EXPECT_EQ(with({{"retry", {{"schedule", json::array()}}}}), "retry.schedule");
  EXPECT_EQ(with({{"retry", {{"schedule", {"0s", "400d"}}}}}), "retry.schedule[1]");
  EXPECT_EQ(with({{"names", {1}}}), "names[0]");
  const auto typo = w.Create({{"name", "d"}, {"type", "sim"}, {"concurency", 3}});
  EXPECT_NE(typo.error().message().find("did you mean concurrency?"), std::string::npos);
  EXPECT_TRUE(w.engine->List("", 10)->data.empty());
}

TEST(Engine, DefaultsMayBeWrittenOut) {
  DeliverWorld w(2);
  w.Open();
  EXPECT_TRUE(w.Create({{"name", "d"},
                        {"type", "sim"},
                        {"mapping", ""},
                        {"order", "none"},
                        {"order_by", ""},
                        {"batch", {{"size", 1}, {"wait", "0s"}}}}));
}

TEST(Engine, ANameIsTakenOnceAndUnknownNamesAreNotFound) {
  DeliverWorld w(3);
  w.Open();
  w.Make("d");
  EXPECT_EQ(w.Create({{"name", "d"}, {"type", "sim"}}).error().code(), ErrorCode::kConflict);
  EXPECT_EQ(w.Patch("x", json::object()).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(w.Put("x", {{"type", "sim"}}, false).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(w.Delete("x").error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(w.engine->Get("x").error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(w.engine->Stats("x").error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(
      w.Answered<std::string>([&](auto d) { w.engine->Pause("x", std::move(d)); }).error().code(),
      ErrorCode::kNotFound);
}

TEST(Engine, SecretsAndHeaderValuesNeverComeBackAndStarsKeepThem) {
  DeliverWorld w(4);
  w.Open();
  const auto made = w.Create({{"name", "d"},
                              {"type", "sim"},
                              {"token", "canary-1"},
                              {"headers", {{"Authorization", "canary-2"}}}});
  ASSERT_TRUE(made.has_value());
  const auto stored = [&] {
    return **w.store.Get(store::Family::kOwned, store::keys::Destination(1));
  };
  for (const std::string& text : {*made, *w.engine->Get("d"), w.engine->List("", 1)->data[0],
                                  *w.Patch("d", {{"concurrency", 2}})}) {
    EXPECT_EQ(text.find("canary"), std::string::npos) << text;
    EXPECT_EQ(json::parse(text)["token"], "***");
    EXPECT_EQ(json::parse(text)["headers"]["Authorization"], "***");
  }
  ASSERT_TRUE(
      w.Patch("d", {{"token", "***"}, {"headers", {{"Authorization", "***"}, {"X", "y"}}}}));
  EXPECT_NE(stored().find("canary-1"), std::string::npos);
  EXPECT_NE(stored().find("canary-2"), std::string::npos);
  ASSERT_TRUE(w.Put(
      "d",
      {{"name", "d"}, {"type", "sim"}, {"token", "***"}, {"headers", {{"Authorization", "***"}}}}));
  EXPECT_NE(stored().find("canary-1"), std::string::npos);
  EXPECT_NE(stored().find("canary-2"), std::string::npos);
  EXPECT_EQ(json::parse(*w.engine->Get("d"))["headers"].size(), 1U);
  // A PUT that does not name them takes them away.
  ASSERT_TRUE(w.Put("d", {{"type", "sim"}}));
  EXPECT_EQ(stored().find("canary"), std::string::npos);
}

TEST(Engine, PutGoesBackToDefaultsAndPatchDoesNot) {
  DeliverWorld w(5);
  w.Open();
  w.Make("d", {{"concurrency", 3}, {"timeout", "1s"}, {"names", {"Order"}}, {"start", "earliest"}});
  ASSERT_TRUE(w.Patch("d", {{"timeout", "2s"}}));
  json now = json::parse(*w.engine->Get("d"));
  EXPECT_EQ(now["concurrency"], 3);
  EXPECT_EQ(now["names"], json::array({"Order"}));
  EXPECT_EQ(now["retry"]["schedule"].size(), 3U);
  const auto put = w.Put("d", {{"type", "sim"}});
  ASSERT_TRUE(put.has_value()) << put.error().ToString();
  EXPECT_FALSE(put->created);
  now = json::parse(put->json);
  EXPECT_EQ(now["concurrency"], 16);
  EXPECT_EQ(now["names"], json::array());
  EXPECT_EQ(now["timeout"], "15s");
  EXPECT_EQ(now["retry"]["schedule"].size(), 10U);
  EXPECT_EQ(now["start"], "earliest");
  EXPECT_EQ(now["revision"], 3);
  EXPECT_EQ(w.Patch("d", {{"name", "e"}}).error().field(), "name");
  EXPECT_EQ(w.Patch("d", {{"start", "now"}}).error().field(), "start");
  const auto made = w.Put("new", {{"type", "sim"}});
  ASSERT_TRUE(made.has_value());
  EXPECT_TRUE(made->created);
  EXPECT_EQ(w.Put("other", {{"type", "sim"}, {"name", "new"}}).error().field(), "name");
}

TEST(Engine, APutThatMakesOneIsReadAsStrictlyAsAPost) {
  DeliverWorld w(6);
  w.Open();
  const auto put = [&](const std::string& text) {
    return w.Answered<Engine::Replaced>(
        [&](auto done) { w.engine->Replace("d", text, true, std::move(done)); });
  };
  const std::string deep = std::string(300'000, '[') + std::string(300'000, ']');
  EXPECT_FALSE(put(R"({"type":"sim","x":)" + deep + "}"));
  EXPECT_FALSE(put(R"({"type":"sim","type":"sim"})"));
  const auto lost = put(R"({"type":"sim","rate_limit":12345678901234567890123})");
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().field(), "rate_limit");
  EXPECT_NE(lost.error().message(), "rate_limit must be from 0 to 1000000") << "read as another";
  EXPECT_FALSE(put(R"([])"));
  EXPECT_FALSE(put(R"({"type")"));
  EXPECT_EQ(put(R"({"type":"sim","name":7})").error().field(), "name");
  ASSERT_TRUE(put(" {\n\"type\":\"sim\"}"));
  EXPECT_TRUE(w.engine->Get("d").has_value());
}

TEST(Engine, ARefusedChangeLeavesTheReplaysAlone) {
  DeliverWorld w(17);
  w.Open();
  w.Make("d", {{"rate_limit", 1}});
  w.AppendMany(3);
  const std::string id =
      w.Replay({{"destination", "d"}, {"from", "earliest"}, {"rate", 0.005}})["id"];
  const auto flip = [&](int i) { return w.Patch("d", {{"names", {i % 2 == 0 ? "A" : "B"}}}); };
  for (std::size_t i = 1; i < kRulesKeptMax; ++i) {
    w.Append();
    ASSERT_TRUE(flip(static_cast<int>(i)));
  }
  w.Append();
  const auto refused = w.Patch("d", {{"names", {"A"}}, {"batch", {{"size", 2}, {"wait", "1s"}}}});
  EXPECT_EQ(refused.error().code(), ErrorCode::kExhausted);
  ASSERT_LT(w.Replayed(id), 3U) << "it would show nothing";
  ASSERT_TRUE(w.ReplayEnds(id));
  EXPECT_EQ(w.Replayed(id), 3U);
  for (const Seen& seen : w.receivers.seen) EXPECT_FALSE(seen.batch) << "by settings never taken";
}

TEST(Engine, ABadChangeChangesNothing) {
  DeliverWorld w(6);
  w.Open();
  w.Make("d", {{"token", "t"}});
  const std::string before = *w.engine->Get("d");
  EXPECT_FALSE(w.Patch("d", {{"timeout", "2s"}, {"concurrency", 0}}));
  EXPECT_FALSE(w.Put("d", {{"timeout", "2s"}}));  // no type
  EXPECT_EQ(*w.engine->Get("d"), before);
  w.Crash(1);
  w.Open();
  EXPECT_EQ(*w.engine->Get("d"), before);
}

TEST(Engine, StartIsNowEarliestOrATime) {
  DeliverWorld w(7);
  w.Open();
  w.AppendMany(3);
  w.sim.RunFor(10 * kS);
  const std::string middle = FormatIso8601(w.sim.Now() - 1'000);
  w.AppendMany(4);
  w.sim.RunFor(10 * kS);
  w.Make("now");
  w.Make("all", {{"start", "earliest"}});
  w.Make("time", {{"start", middle}});
  w.Make("future", {{"start", "2099-01-01"}});
  w.AppendMany(5);
  w.sim.RunFor(kS);
  EXPECT_EQ(w.Stats("now").delivered, 5U);
  EXPECT_EQ(w.Stats("all").delivered, 12U);
  EXPECT_EQ(w.Stats("time").delivered, 9U);
  EXPECT_EQ(w.Stats("future").delivered, 5U);
  EXPECT_EQ(w.Trace("now", {0, 0}).destination, "(no pair)");
}

TEST(Engine, ARuleCountsFromTheExactOffsetOfItsChangeHoweverLateItIsRead) {
  DeliverWorld w(8, 4);
  w.Open();
  w.Make("d", {{"names", {"A"}}});
  EXPECT_TRUE(w.Answered<std::string>([&](auto d) { w.engine->Pause("d", std::move(d)); }));
  // The lane reads nothing until all of it has happened.
  w.AppendMany(8, "A");
  ASSERT_TRUE(w.Patch("d", {{"names", {"B"}}}));
  w.AppendMany(8, "A");
  w.AppendMany(4, "B");
  ASSERT_TRUE(w.Patch("d", {{"enabled", false}}));
  w.AppendMany(4, "B");
  ASSERT_TRUE(w.Patch("d", {{"enabled", true}}));
  w.AppendMany(4, "B");
  w.Crash(1);
  w.Open();
  EXPECT_TRUE(w.Answered<std::string>([&](auto d) { w.engine->Resume("d", std::move(d)); }));
  w.sim.RunFor(kS);
  EXPECT_EQ(w.Stats("d").delivered, 8U + 4U + 4U);
  EXPECT_EQ(w.Stats("d").filtered, 8U + 4U);
  EXPECT_EQ(w.Trace("d", {0, 0}).state, PairState::kDelivered);
  EXPECT_EQ(w.Trace("d", {0, 2}).state, PairState::kFiltered);  // an A under rule B
  EXPECT_EQ(w.Trace("d", {0, 4}).state, PairState::kDelivered);
  EXPECT_EQ(w.Trace("d", {0, 5}).state, PairState::kFiltered);  // disabled
  EXPECT_EQ(w.Trace("d", {0, 6}).state, PairState::kDelivered);
}

TEST(Engine, AChangeIsAnsweredOnlyWhenItIsDurable) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    DeliverWorld w(seed);
    w.Open();
    w.Make("d", {{"names", {"A"}}});
    std::optional<bool> answered;
    w.engine->Patch("d", R"({"names":["B"]})", [&](auto r) { answered = r.has_value(); });
    w.sim.RunUntil([&] { return answered.has_value() || w.sim.random()() % 6 == 0; });
    w.Crash(seed);
    w.Open();
    const bool changed = json::parse(*w.engine->Get("d"))["names"] == json::array({"B"});
    if (answered) {
      ASSERT_TRUE(changed) << seed;
    }
    w.Append("B");
    w.sim.RunFor(kS);
    ASSERT_EQ(w.Stats("d").delivered, changed ? 1U : 0U) << seed;
  }
}

TEST(Engine, DeletedAndMadeAgainIsANewLane) {
  DeliverWorld w(9);
  w.Open();
  w.Make("d", {{"concurrency", 2}});
  w.receivers.answer = [](const std::string&, const Delivery&) {
    return Receivers::Answer{.outcome = {}, .after = kS, .never = true};
  };
  w.AppendMany(5);
  w.sim.RunFor(kS);
  const std::string first_id = w.receivers.seen.at(0).webhook_id;
  ASSERT_TRUE(w.Delete("d").has_value());
  EXPECT_EQ(w.receivers.canceled, 2U);
  EXPECT_EQ(w.engine->Get("d").error().code(), ErrorCode::kNotFound);
  w.receivers.seen.clear();
  w.receivers.answer = [](const std::string&, const Delivery&) { return Receivers::Answer{}; };
  w.Make("d", {{"start", "earliest"}});
  EXPECT_EQ(json::parse(*w.engine->Get("d"))["id"], 2);
  w.sim.RunFor(kS);
  EXPECT_EQ(w.Stats("d").delivered, 5U);
  EXPECT_EQ(w.Stats("d").dropped, 0U);
  EXPECT_NE(w.receivers.seen.at(0).webhook_id, first_id);
  w.Crash(1);
  w.Open();
  EXPECT_EQ(w.engine->List("", 10)->data.size(), 1U);
  w.sim.RunFor(kS);
  EXPECT_EQ(w.Stats("d").delivered, 5U);
}

TEST(Engine, DeletingLeavesNoRowsAndCountsWhatWaited) {
  DeliverWorld w(10);
  w.Open();
  w.Make("d", {{"concurrency", 3}});
  w.receivers.answer = [](const std::string&, const Delivery& d) {
    Receivers::Answer answer{.outcome = Outcome::Retry("x"), .after = kNanosPerMilli};
    answer.never = d.record->offset >= 2;
    return answer;
  };
  w.AppendMany(6);
  w.sim.RunFor(100 * kNanosPerMilli);
  ASSERT_TRUE(w.Delete("d").has_value());
  for (const std::string& prefix : {store::keys::WaitingOf(1), store::keys::AttemptsOf(1),
                                    store::keys::DeadLettersOf(1), store::keys::KeptBodiesOf(1)}) {
    std::size_t rows = 0;
    IgnoreError(w.store.ScanPrefix(store::Family::kOwned, prefix,
                                   [&](auto, auto) {
                                     ++rows;
                                     return store::Visit::kContinue;
                                   }),
                "memory");
    EXPECT_EQ(rows, 0U);
  }
  const StoredCursor end =
      DecodeCursor(**w.store.Get(store::Family::kOwned, store::keys::Cursor(1, 0))).value();
  EXPECT_EQ(end.counts.dropped, 2U + 3U);  // waiting, and in flight; the rest is [cursor, released)
  EXPECT_EQ(end.released, 6U);
}

TEST(Engine, PauseHoldsTheBacklogAndSurvivesARestart) {
  DeliverWorld w(11);
  w.Open();
  w.Make("d");
  const auto paused = w.Answered<std::string>([&](auto d) { w.engine->Pause("d", std::move(d)); });
  EXPECT_EQ(json::parse(*paused)["status"], "paused");
  w.AppendMany(5);
  w.sim.RunFor(kS);
  w.Crash(1);
  w.Open();
  w.sim.RunFor(kS);
  EXPECT_EQ(w.Stats("d").lag, 5U);
  const auto back = w.Answered<std::string>([&](auto d) { w.engine->Resume("d", std::move(d)); });
  EXPECT_EQ(json::parse(*back)["status"], "active");
  w.sim.RunFor(kS);
  EXPECT_EQ(w.Stats("d").delivered, 5U);
}

TEST(Engine, ListIsPagedByName) {
  DeliverWorld w(12);
  w.Open();
  for (const char* name : {"c", "a", "e", "b", "d"}) w.Make(name);
  std::string names;
  std::string cursor;
  for (int pages = 0; pages < 3; ++pages) {
    const auto page = w.engine->List(cursor, 2);
    for (const std::string& text : page->data)
      names += json::parse(text)["name"].get<std::string>();
    EXPECT_EQ(page->next_cursor.has_value(), pages < 2);
    cursor = page->next_cursor.value_or("");
  }
  EXPECT_EQ(names, "abcde");
  for (const char* made_up : {"a", "zzz", "zzzz", "YWZ0ZXI6", "\x01"}) {
    EXPECT_EQ(w.engine->List(made_up, 2).error().field(), "cursor") << made_up;
  }
}

TEST(Engine, ChangesAskedForTogetherAreAllMadeInOrder) {
  DeliverWorld w(13);
  w.Open();
  w.Make("d");
  int answers = 0;
  for (int i = 1; i <= 20; ++i) {
    w.engine->Patch("d", json{{"concurrency", i}}.dump(), [&answers, i](auto r) {
      ASSERT_TRUE(r.has_value());
      EXPECT_EQ(json::parse(*r)["concurrency"], i);
      EXPECT_EQ(++answers, i);
    });
  }
  ASSERT_TRUE(w.sim.RunUntil([&] { return answers == 20; }));
  EXPECT_EQ(json::parse(*w.engine->Get("d"))["revision"], 21);
}

TEST(Engine, AMendedDestinationMendsWhatWaits) {
  DeliverWorld w(14);
  w.Open();
  w.Make("d", {{"retry", {{"schedule", {"0s", "10s", "10s"}}}}});
  w.receivers.answer = [](const std::string&, const Delivery& d) {
    return Receivers::Answer{.outcome =
                                 d.attempt == 1 ? Outcome::Retry("x") : Outcome::Delivered()};
  };
  const Position at = w.Append();
  w.sim.RunFor(kS);
  ASSERT_TRUE(w.Patch("d", {{"url", "sim:new"}}));
  ASSERT_TRUE(w.sim.RunUntil([&] { return w.Stats("d").delivered == 1; }));
  const PairTrace trace = w.Trace("d", at);
  ASSERT_EQ(trace.attempts.size(), 2U);
  EXPECT_EQ(trace.attempts[0].revision, 1U);
  EXPECT_EQ(trace.attempts[1].revision, 2U);
}

TEST(Engine, DeclaredDestinationsFollowTheConfiguration) {
  DeliverWorld w(15);
  w.options.declared = {R"({"name":"d","type":"sim"})"};
  w.Open();
  EXPECT_EQ(w.Patch("d", {{"concurrency", 2}}).error().code(), ErrorCode::kConflict);
  EXPECT_EQ(w.Delete("d").error().code(), ErrorCode::kConflict);
  w.AppendMany(2);
  w.sim.RunFor(kS);
  // Changed: the lane goes on where it was.
  w.Crash(1);
  w.options.declared = {R"({"name":"d","type":"sim","names":["X"]})"};
  w.Open();
  EXPECT_EQ(json::parse(*w.engine->Get("d"))["revision"], 2);
  w.AppendMany(3);
  w.sim.RunFor(kS);
  EXPECT_EQ(w.Stats("d").delivered, 2U);
  EXPECT_EQ(w.Stats("d").filtered, 3U);
  // Unchanged: nothing happens.
  w.Crash(2);
  w.Open();
  EXPECT_EQ(json::parse(*w.engine->Get("d"))["revision"], 2);
  // Gone: paused, and now it may be deleted.
  w.Crash(3);
  w.options.declared = {};
  w.Open();
  EXPECT_EQ(json::parse(*w.engine->Get("d"))["status"], "paused");
  w.Crash(4);
  w.options.declared = {R"({"name":"d","type":"sim"})"};
  w.Open();
  EXPECT_EQ(json::parse(*w.engine->Get("d"))["status"], "active");
  EXPECT_EQ(w.Stats("d").delivered, 2U);
  w.Crash(5);
  w.options.declared = {};
  w.Open();
  ASSERT_TRUE(w.Delete("d").has_value());
  // Made by the API and declared: the start is refused.
  w.Make("d");
  w.Crash(6);
  w.options.declared = {R"({"name":"d","type":"sim"})"};
  const auto refused = w.TryOpen(w.store);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code(), ErrorCode::kConflict);
}

TEST(Engine, AfterCloseEverythingIsAnsweredUnavailable) {
  DeliverWorld w(16);
  w.Open();
  w.Make("d");
  bool closed = false;
  w.engine->Close(w.sim.Monotonic() + kS, [&] { closed = true; });
  w.sim.RunFor(2 * kS);
  EXPECT_TRUE(closed);
  EXPECT_FALSE(w.engine->committer().WaitForWork());
  EXPECT_EQ(w.Create({{"name", "e"}, {"type", "sim"}}).error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(w.Answered<std::vector<PairTrace>>([&](auto d) { w.engine->Trace(0, 0, std::move(d)); })
                .error()
                .code(),
            ErrorCode::kUnavailable);
}

TEST(Engine, RulesThatTheLogStillNeedsAreLimited) {
  DeliverWorld w(17);
  w.Open();
  w.Make("d");
  const auto flip = [&](int i) { return w.Patch("d", {{"names", {i % 2 == 0 ? "A" : "B"}}}); };
  for (std::size_t i = 1; i < kRulesKeptMax; ++i) {
    w.Append();
    ASSERT_TRUE(flip(static_cast<int>(i)));
  }
  w.Append();
  EXPECT_EQ(flip(0).error().code(), ErrorCode::kExhausted);
  EXPECT_TRUE(w.Patch("d", {{"concurrency", 3}}));  // no new rule
  w.log.RetainTo(0, 10);
  EXPECT_TRUE(flip(0));
}

TEST(Engine, ThereIsAMostOfDestinations) {
  DeliverWorld w(18);
  w.options.destinations_max = 3;
  w.Open();
  for (const char* name : {"a", "b", "c"}) w.Make(name);
  EXPECT_EQ(w.Create({{"name", "d"}, {"type", "sim"}}).error().code(), ErrorCode::kExhausted);
  ASSERT_TRUE(w.Delete("a").has_value());
  w.Make("d");
}

TEST(Engine, CloseDoesNotWaitForVerdictsThatNeverCome) {
  DeliverWorld w(19);
  w.Open();
  w.Make("d");
  w.verdicts.sync_never = true;
  w.Append();
  w.sim.RunFor(kS);
  bool closed = false;
  w.engine->Close(w.sim.Monotonic() + kS, [&] { closed = true; });
  w.sim.RunFor(3 * kS);
  EXPECT_TRUE(closed);
}

// The committer has something under way when the change comes: it waits in its lane.
TEST(Engine, EndingWhileAChangeWaitsLeavesNothingBehind) {
  for (MonoNanos before = 0; before < 10 * kNanosPerMilli; before += kNanosPerMilli / 2) {
    {
      DeliverWorld w(3);
      w.Open();
      w.Make("d");
      w.AppendMany(5);
      w.sim.RunFor(before);
      w.engine->Patch(
          "d", R"({"timeout":"2s"})", [](const auto&) {}, "");
      w.sim.RunFor(kNanosPerMilli / 10);
      ASSERT_GT(Receivers::instances, 0);
    }
    EXPECT_EQ(Receivers::instances, 0) << before;
  }
}

TEST(Engine, ResponsesOfTheSeedListMatchingDestinationsOnly) {
  const std::vector<PairTrace> pairs{{.destination = "a", .state = PairState::kDelivered},
                                     {.destination = "b", .state = PairState::kFiltered},
                                     {.destination = "c", .state = PairState::kRetrying}};
  EXPECT_EQ(Engine::Responses(pairs),
            (std::vector<std::pair<std::string, bool>>{{"a", true}, {"c", false}}));
}

}  // namespace
}  // namespace tributary::deliver
