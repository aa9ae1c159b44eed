// The dead-letter routes: what is refused and how it is named, and what reaches the engine.
#include <nlohmann/json.hpp>

#include "control/control_kit_test.h"

namespace tributary::control {
namespace {

using http::Method;
using nlohmann::json;

deliver::DeadLetter ALetter() {
  deliver::DeadLetter letter{.source = 1,
                             .message_id = "m\"1",
                             .at_us = 1'700'000'000'000'000,
                             .received_at_us = 1'700'000'000'000'000,
                             .reason = "HTTP 400",
                             .event = R"({"event":"x"})"};
  letter.pair = {.destination = "hook",
                 .state = deliver::PairState::kDeadLettered,
                 .delivery_id = "dlv_1",
                 .webhook_id = "msg_1",
                 .attempts_total = 1};
  return letter;
}

TEST(DeadLetterRoutes, AListEntryHasWhatADeliveryHas) {
  ControlKit kit;
  kit.engine.letters.page = {.data = {ALetter()}, .next_cursor = "c", .total = 7};
  const http::Response response = kit.Get(
      "/api/v1/dead-letters?destination=hook&since=2026-01-01T00:00:00Z&message_id=m&limit=5");
  ASSERT_EQ(response.status, 200) << response.body;
  const json body = json::parse(response.body);
  EXPECT_EQ(body["next_cursor"], "c");
  EXPECT_EQ(body["total"], 7);
  const json& one = body["data"][0];
  for (const char* field : {"id", "webhook_id", "message_id", "source", "destination", "state",
                            "attempts", "next_attempt_at", "reason", "at", "attempts_total"}) {
    EXPECT_TRUE(one.contains(field)) << field;
  }
  EXPECT_EQ(one["message_id"], "m\"1");
  EXPECT_EQ(one["state"], "dead_lettered");
  EXPECT_FALSE(one.contains("event"));
  EXPECT_EQ(kit.engine.letters.asked.limit, 5U);
  EXPECT_EQ(kit.engine.letters.asked.selection.destination, "hook");
  EXPECT_TRUE(kit.engine.letters.asked.selection.since.has_value());
  EXPECT_EQ(json::parse(kit.Get("/api/v1/dead-letters/dlv_1").body)["event"]["event"], "x");
}

TEST(DeadLetterRoutes, WrongParametersAreRefusedByName) {
  ControlKit kit;
  const auto field = [&](const std::string& query) {
    const http::Response response = kit.Get("/api/v1/dead-letters?" + query);
    EXPECT_EQ(response.status, 400) << query;
    return json::parse(response.body).value("field", "");
  };
  EXPECT_EQ(field("since=yesterday"), "since");
  EXPECT_EQ(field("until=1"), "until");
  EXPECT_EQ(field("limit=0"), "limit");
  EXPECT_EQ(field("limit=1001"), "limit");
  EXPECT_EQ(field("source=nobody"), "source");
  EXPECT_EQ(field("destinations=x"), "destinations");
}

TEST(DeadLetterRoutes, ASelectionIsReadStrictly) {
  ControlKit kit;
  const auto field = [&](const std::string& body) {
    const http::Response response = kit.Post("/api/v1/dead-letters/redrive", body);
    EXPECT_EQ(response.status, 400) << body;
    return json::parse(response.body).value("field", "");
  };
  EXPECT_EQ(field(R"({"destination":5})"), "destination");
  EXPECT_EQ(field(R"({"ids":"dlv_1"})"), "ids");
  EXPECT_EQ(field(R"({"ids":[1]})"), "ids[0]");
  EXPECT_EQ(field(R"({"since":"soon"})"), "since");
  EXPECT_EQ(field(R"({"until":3})"), "until");
  EXPECT_EQ(field(R"({"id":"dlv_1"})"), "id");
  EXPECT_EQ(field(R"({"all":false})"), "all");
  EXPECT_EQ(field(R"({"all":true,"destination":"x"})"), "all");
  EXPECT_EQ(kit.Post("/api/v1/dead-letters/redrive", "[]").status, 400);
  EXPECT_EQ(kit.Post("/api/v1/dead-letters/redrive", "{").status, 400);
  // Everything is said to be meant: a body that got lost is not that.
  EXPECT_EQ(kit.Post("/api/v1/dead-letters/redrive", "").status, 400);
  EXPECT_EQ(kit.Post("/api/v1/dead-letters/delete", "").status, 400);
  json many;
  many["ids"] = std::vector<std::string>(deliver::kDeadIdsMax, "dlv_1");
  EXPECT_EQ(kit.Post("/api/v1/dead-letters/redrive", many.dump()).status, 200);
  many["ids"].push_back("dlv_1");
  EXPECT_EQ(field(many.dump()), "ids");
}

TEST(DeadLetterRoutes, AMoveIsAnsweredWithItsCountOrItsProgress) {
  ControlKit kit;
  kit.engine.letters.moving = {.id = "rdv_1", .running = false, .done = 3, .total = 3};
  http::Response response = kit.Post("/api/v1/dead-letters/redrive", R"({"destination":"hook"})");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(json::parse(response.body),
            json::parse(R"({"id":"rdv_1","state":"done","done":3,"total":3,"redriven":3})"));
  EXPECT_EQ(kit.engine.letters.selected.destination, "hook");
  EXPECT_EQ(kit.Post("/api/v1/dead-letters/delete", "{}").status, 200);
  EXPECT_FALSE(kit.engine.letters.selected.destination.has_value());
  kit.engine.letters.moving = {.id = "rdv_1", .running = true, .done = 3, .total = 5000};
  EXPECT_EQ(kit.Post("/api/v1/dead-letters/redrive", "{}").status, 202);
  response = kit.Get("/api/v1/dead-letters/redrives/rdv_1");
  EXPECT_EQ(json::parse(response.body)["state"], "running");
}

TEST(DeadLetterRoutes, DeletingOneThatIsNotThereIsNotFound) {
  ControlKit kit;
  const Call call{.method = Method::kDelete, .target = "/api/v1/dead-letters/dlv_1"};
  kit.engine.letters.moving = {.id = "del_1", .done = 1, .total = 1};
  EXPECT_EQ(kit.Ask(call).status, 204);
  EXPECT_EQ(kit.engine.letters.selected.ids->at(0), "dlv_1");
  kit.engine.letters.moving = {.id = "del_1", .done = 0, .total = 0};
  EXPECT_EQ(kit.Ask(call).status, 404);
}

// Its destination takes no changes for the moment.
TEST(DeadLetterRoutes, ADeletionThatIsPutOffGoesOnAfterTheAnswer) {
  ControlKit kit;
  const Call call{.method = Method::kDelete, .target = "/api/v1/dead-letters/dlv_1"};
  kit.engine.letters.moving = {.id = "del_1", .running = true, .done = 0, .total = 1};
  const http::Response later = kit.Ask(call);
  EXPECT_EQ(later.status, 202);
  EXPECT_EQ(json::parse(later.body)["id"], "del_1");
}

}  // namespace
}  // namespace tributary::control
