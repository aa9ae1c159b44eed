// The history of destinations, on the simulated world; what seals and loses secrets is shown from
// outside too (tests/e2e/test_control_secrets.py).
#include <nlohmann/json.hpp>

#include "deliver/sim_kit_test.h"
#include "deliver/spec_vault.h"

namespace tributary::deliver {
namespace {

using nlohmann::json;

std::vector<std::uint32_t> Numbers(DeliverWorld& w, const std::string& name,
                                   std::string_view cursor = "", std::size_t limit = 1000) {
  std::vector<std::uint32_t> numbers;
  const auto page = w.engine->revisions().List(name, cursor, limit);
  EXPECT_TRUE(page.has_value()) << page.error().ToString();
  for (const std::string& text : page->data) numbers.push_back(json::parse(text)["revision"]);
  return numbers;
}

Result<std::string> Revert(DeliverWorld& w, const std::string& name, std::uint32_t revision) {
  return w.Answered<std::string>(
      [&](auto done) { w.engine->revisions().Revert(name, revision, "me", std::move(done)); });
}

TEST(Revisions, EachChangeIsKeptWithWhoAndWhat) {
  DeliverWorld w(1);
  w.Open();
  w.Make("d");
  ASSERT_TRUE(w.Answered<std::string>([&](auto done) {
    w.engine->Patch("d", R"({"names":["A"],"concurrency":2})", std::move(done), "ada");
  }));
  const json second = json::parse(*w.engine->revisions().Get("d", 2));
  EXPECT_EQ(second["who"], "ada");
  EXPECT_EQ(second["changed"], json({"concurrency", "names"}));
  EXPECT_EQ(second["from"], json({0}));
  ASSERT_TRUE(w.Patch("d", {{"concurrency", 3}}));
  EXPECT_TRUE(json::parse(*w.engine->revisions().Get("d", 3))["from"].is_null())
      << "the rule stayed";
  EXPECT_EQ(Numbers(w, "d"), (std::vector<std::uint32_t>{3, 2, 1}));
  EXPECT_EQ(Numbers(w, "d", "2"), (std::vector<std::uint32_t>{1}));
  EXPECT_FALSE(w.engine->revisions().Get("d", 4).has_value());
  EXPECT_FALSE(w.engine->revisions().List("nobody", "", 10).has_value());
  EXPECT_FALSE(w.engine->revisions().List("d", "x", 10).has_value());
}

TEST(Revisions, ARevertIsANewRevisionWithTheOldRule) {
  DeliverWorld w(2);
  w.Open();
  w.Make("d", {{"names", {"A"}}});
  ASSERT_TRUE(w.Patch("d", {{"names", {"B"}}, {"concurrency", 2}}));
  const Position b = w.Append("B");
  const auto reverted = Revert(w, "d", 1);
  ASSERT_TRUE(reverted.has_value()) << reverted.error().ToString();
  EXPECT_EQ(json::parse(*reverted)["revision"], 3);
  EXPECT_EQ(json::parse(*reverted)["names"], json({"A"}));
  EXPECT_EQ(json::parse(*reverted)["concurrency"], 16);
  const Position late = w.Append("B");
  const Position a = w.Append("A");
  w.sim.RunUntil([&] { return w.Times("d", a) == 1; });
  EXPECT_EQ(w.Times("d", b), 1u);
  EXPECT_EQ(w.Times("d", late), 0u);
  EXPECT_EQ(Revert(w, "d", 9).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(Revert(w, "nobody", 1).error().code(), ErrorCode::kNotFound);
}

TEST(Revisions, SurviveACrashAndEndWithTheirDestination) {
  DeliverWorld w(3);
  w.Open();
  w.Make("d");
  ASSERT_TRUE(w.Patch("d", {{"concurrency", 2}}));
  w.Crash(7);
  w.Open();
  EXPECT_EQ(Numbers(w, "d"), (std::vector<std::uint32_t>{2, 1}));
  ASSERT_TRUE(w.Delete("d"));
  w.Make("d");
  EXPECT_EQ(Numbers(w, "d"), (std::vector<std::uint32_t>{1}));
  EXPECT_EQ(w.store.Dump().find("\"concurrency\":2"), std::string::npos);
}

TEST(Revisions, TheNewestHundredAreKept) {
  DeliverWorld w(4);
  w.Open();
  w.Make("d");
  for (std::uint32_t i = 1; i <= kRevisionsKeptMax; ++i) {
    ASSERT_TRUE(w.Patch("d", {{"concurrency", i}}));
  }
  const auto numbers = Numbers(w, "d");
  EXPECT_EQ(numbers.size(), kRevisionsKeptMax);
  EXPECT_EQ(numbers.back(), 2u);
}

TEST(SpecVault, LostSecretsMustEachBeSaidAnew) {
  const std::vector<std::string> lost = {"/signing_secret", "/headers/X-A"};
  EXPECT_FALSE(EntersAgain(lost, R"({"concurrency":2})", false));
  EXPECT_FALSE(EntersAgain(lost, R"({"signing_secret":"x"})", false));
  EXPECT_FALSE(EntersAgain(lost, R"({"signing_secret":"x","headers":{"X-A":"***"}})", false));
  EXPECT_TRUE(EntersAgain(lost, R"({"signing_secret":null,"headers":{"X-A":"v"}})", false));
  EXPECT_TRUE(EntersAgain(lost, R"({"url":"u"})", true)) << "a PUT says everything";
  EXPECT_FALSE(EntersAgain(lost, R"({"headers":{"X-A":"***"}})", true));
  EXPECT_EQ(PlacesOf(lost), "signing_secret, headers.X-A");
}

}  // namespace
}  // namespace tributary::deliver
