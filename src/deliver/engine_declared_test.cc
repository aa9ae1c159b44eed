// The configuration's destinations, said anew while lanes run.
#include "deliver/declared.h"

#include "deliver/rule_history.h"
#include "deliver/sim_kit_test.h"
#include "support/durations.h"

namespace tributary::deliver {
namespace {

using nlohmann::json;

class DeclaredTest : public testing::Test {
 protected:
  Status Apply(std::vector<std::string> declared) {
    std::optional<Status> answer;
    w.engine->declared().Apply(std::move(declared), [&](const Status& s) { answer = s; });
    w.sim.RunUntil([&] { return answer.has_value(); });
    return answer.value_or(Fail(ErrorCode::kInternal, "no answer"));
  }
  json Get(const std::string& name) {
    const auto text = w.engine->Get(name);
    return text ? json::parse(*text) : json();
  }

  DeliverWorld w{1};
};

TEST_F(DeclaredTest, NewOnesAreMadeChangedOnesChangedOthersLeftAlone) {
  w.options.declared = {R"({"name":"a","type":"sim"})", R"({"name":"b","type":"sim"})"};
  w.Open();
  w.Make("mine");
  w.AppendMany(2);
  w.sim.RunFor(kS);
  ASSERT_TRUE(Apply({R"({"name":"a","type":"sim"})", R"({"name":"b","type":"sim","names":["X"]})",
                     R"({"name":"c","type":"sim"})"}));
  EXPECT_EQ(Get("a")["revision"], 1);
  EXPECT_EQ(Get("b")["revision"], 2);
  EXPECT_EQ(Get("c")["declared"], true);
  EXPECT_EQ(Get("mine")["status"], "active");
  w.AppendMany(3);
  w.sim.RunFor(kS);
  EXPECT_EQ(w.Stats("a").delivered, 5U) << "its lane went on";
  EXPECT_EQ(w.Stats("b").delivered, 2U);
  EXPECT_EQ(w.Stats("b").filtered, 3U);
  EXPECT_EQ(w.Stats("c").delivered, 3U) << "it began with the change";
}

// There may be thousands: they share a sync, which has happened before anything is taken.
TEST_F(DeclaredTest, WhatAStartMakesChangesAndPausesIsDurableWhenItHasEnded) {
  const auto entry = [](const char* name, const char* more) {
    return std::string(R"({"name":")") + name + R"(","type":"sim")" + more + "}";
  };
  const std::vector<std::vector<std::string>> starts = {
      {entry("a", ""), entry("b", ""), entry("c", "")},
      {entry("a", R"(,"names":["X"])"), entry("b", R"(,"concurrency":3)")}};
  for (const auto& declared : starts) {
    w.options.declared = declared;
    w.Open();
    EXPECT_EQ(w.store.unsynced_batches(), 0U);
    w.Crash(1);
  }
  w.Open();
  EXPECT_EQ(Get("a")["revision"], 2);
  EXPECT_EQ(Get("b")["revision"], 2);
  EXPECT_EQ(Get("c")["status"], "paused");
}

TEST_F(DeclaredTest, WhatIsNoLongerDeclaredIsPausedAndMayBeDeletedOrComeBack) {
  w.options.declared = {R"({"name":"a","type":"sim"})", R"({"name":"b","type":"sim"})"};
  w.Open();
  ASSERT_TRUE(Apply({}));
  EXPECT_EQ(Get("a")["status"], "paused");
  w.AppendMany(2);
  w.sim.RunFor(kS);
  EXPECT_EQ(w.Stats("a").delivered, 0U);
  ASSERT_TRUE(w.Delete("b"));
  ASSERT_TRUE(Apply({R"({"name":"a","type":"sim"})"}));
  w.sim.RunFor(kS);
  EXPECT_EQ(Get("a")["status"], "active");
  EXPECT_EQ(w.Stats("a").delivered, 2U) << "it kept its place";
  EXPECT_EQ(w.Patch("a", {{"concurrency", 2}}).error().code(), ErrorCode::kConflict);
}

TEST_F(DeclaredTest, OneThatSomebodyPausedStaysPaused) {
  w.options.declared = {R"({"name":"a","type":"sim"})"};
  w.Open();
  ASSERT_TRUE(w.Answered<std::string>([&](auto done) { w.engine->Pause("a", std::move(done)); }));
  ASSERT_TRUE(Apply({}));
  ASSERT_TRUE(Apply({R"({"name":"a","type":"sim"})"}));
  EXPECT_EQ(Get("a")["status"], "paused");
}

TEST_F(DeclaredTest, AnyFaultLeavesEverythingAsItWas) {
  w.options.declared = {R"({"name":"a","type":"sim"})"};
  w.Open();
  w.Make("mine");
  const std::string good = R"({"name":"new","type":"sim"})";
  const struct {
    std::vector<std::string> declared;
    ErrorCode code;
    std::string field;
  } cases[] = {
      {{good, R"({"name":"x","type":"sim","concurency":3})"},
       ErrorCode::kInvalid,
       "destinations[1].concurency"},
      {{good, R"({"name":"mine","type":"sim"})"}, ErrorCode::kConflict, "destinations[1].name"},
      {{good, good}, ErrorCode::kConflict, "destinations[1].name"},
      {{good, R"({"name":"a","type":"sim","kind":"system"})"},
       ErrorCode::kInvalid,
       "destinations[1].kind"},
  };
  for (const auto& c : cases) {
    const Status refused = Apply(c.declared);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), c.code);
    EXPECT_EQ(refused.error().field(), c.field);
    EXPECT_TRUE(Get("new").is_null());
    EXPECT_EQ(Get("a")["status"], "active");
    EXPECT_EQ(Get("a")["revision"], 1);
  }
}

// The one change that a destination itself may refuse is asked for before the first is made.
TEST_F(DeclaredTest, ARuleThatHasNoRoomLeavesTheOthersAsTheyWere) {
  const auto z = [](int i) {
    return R"({"name":"z","type":"sim","names":["N)" + std::to_string(i) + R"("]})";
  };
  w.options.declared = {R"({"name":"gone","type":"sim"})", z(0)};
  w.Open();
  for (std::size_t i = 1; i < kRulesKeptMax; ++i) {
    w.Append();
    ASSERT_TRUE(Apply({R"({"name":"gone","type":"sim"})", z(static_cast<int>(i))}));
  }
  w.Append();
  const Status refused = Apply({R"({"name":"a","type":"sim"})", z(0)});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::kExhausted);
  EXPECT_TRUE(Get("a").is_null()) << "nothing was made";
  EXPECT_EQ(Get("gone")["status"], "active");
  EXPECT_EQ(w.Patch("gone", {{"concurrency", 2}}).error().code(), ErrorCode::kConflict)
      << "it is in the configuration that is in force";
}

TEST_F(DeclaredTest, MoreThanThereMayBeAreRefusedOneFewerAreNot) {
  w.options.destinations_max = 2;
  w.Open();
  w.Make("mine");
  const std::string a = R"({"name":"a","type":"sim"})", b = R"({"name":"b","type":"sim"})";
  EXPECT_EQ(Apply({a, b}).error().code(), ErrorCode::kExhausted);
  EXPECT_TRUE(Apply({a}));
}

TEST_F(DeclaredTest, ItIsWhatTheNextStartFinds) {
  w.Open();
  ASSERT_TRUE(Apply({R"({"name":"a","type":"sim","concurrency":3})"}));
  w.Crash(1);
  w.options.declared = {R"({"name":"a","type":"sim","concurrency":3})"};
  w.Open();
  EXPECT_EQ(Get("a")["revision"], 1);
  EXPECT_EQ(Get("a")["concurrency"], 3);
}

}  // namespace
}  // namespace tributary::deliver
