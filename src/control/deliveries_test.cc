// The routes of deliveries and of the audit: what is refused and how it is named, what is asked.
#include <nlohmann/json.hpp>

#include "control/control_kit_test.h"

namespace tributary::control {
namespace {

using nlohmann::json;

TEST(DeliveryRoutes, ParametersReachTheEngineAndWrongOnesAreNamed) {
  ControlKit kit;
  const auto field = [&](const std::string& target) {
    const http::Response response = kit.Get(target);
    EXPECT_EQ(response.status, 400) << target;
    return json::parse(response.body).value("field", "");
  };
  const std::string all = "/api/v1/deliveries?";
  EXPECT_EQ(field(all + "state=gone"), "state");
  EXPECT_EQ(field(all + "since=x"), "since");
  EXPECT_EQ(field(all + "until="), "until");
  EXPECT_EQ(field(all + "limit=1001"), "limit");
  EXPECT_EQ(field(all + "source=nobody"), "source");
  EXPECT_EQ(field(all + "x=y"), "x");
  EXPECT_EQ(field("/api/v1/audit?from=x"), "from");
  EXPECT_EQ(field("/api/v1/audit?to=1x"), "to");
  EXPECT_EQ(field("/api/v1/audit?from=2&to=1"), "to");
  kit.AddEvent("m1", "{}");
  const http::Response response =
      kit.Get(all + "state=dead_lettered&destination=hook&message_id=m1&limit=1000");
  ASSERT_EQ(response.status, 200) << response.body;
  const deliver::DeliveryQuery& asked = kit.engine.fake_deliveries.asked;
  EXPECT_EQ(asked.state, deliver::PairState::kDeadLettered);
  EXPECT_EQ(asked.destination, "hook");
  EXPECT_EQ(asked.limit, 1000U);
  EXPECT_EQ(asked.at, (std::vector<deliver::Position>{{0, 0}}));
  EXPECT_FALSE(asked.not_in_log);
  EXPECT_EQ(kit.Get(all + "message_id=unknown").status, 200);
  EXPECT_TRUE(kit.engine.fake_deliveries.asked.not_in_log);
}

TEST(DeliveryRoutes, EveryEventOfAMessageIdIsAskedAbout) {
  ControlKit kit;
  kit.AddEvent("42", "{}");
  kit.index.more.emplace("42", std::pair(2U, 7U));
  kit.index.more.emplace("42", std::pair(0U, 9U));
  ASSERT_EQ(kit.Get("/api/v1/deliveries?message_id=42").status, 200);
  const deliver::DeliveryQuery& asked = kit.engine.fake_deliveries.asked;
  EXPECT_EQ(asked.at, (std::vector<deliver::Position>{{2, 7}, {0, 9}, {0, 0}}));
  EXPECT_TRUE(kit.index.asked_sources.empty());
  ASSERT_EQ(kit.Get("/api/v1/deliveries?message_id=42&source=web").status, 200);
  EXPECT_EQ(kit.index.asked_sources, asked.sources);
  EXPECT_EQ(asked.sources.size(), 1U);
}

TEST(DeliveryRoutes, AnEntryHasWhatTheDesignSays) {
  ControlKit kit;
  deliver::DeliveryEntry entry{.source = 1, .message_id = "m1", .received_at_us = 0};
  entry.pair = {.destination = "hook",
                .state = deliver::PairState::kDropped,
                .delivery_id = "dlv_1",
                .webhook_id = "msg_1"};
  entry.pair.rule = "retention";
  kit.engine.fake_deliveries.page.data = {entry};
  const json one = json::parse(kit.Get("/api/v1/deliveries").body)["data"][0];
  for (const char* name : {"id", "webhook_id", "message_id", "source", "destination", "state",
                           "attempts", "next_attempt_at"}) {
    EXPECT_TRUE(one.contains(name)) << name;
  }
  EXPECT_EQ(one["state"], "dropped");
  EXPECT_EQ(one["rule"], "retention");
  EXPECT_TRUE(one["received_at"].is_null());
  EXPECT_EQ(json::parse(kit.Get("/api/v1/deliveries/dlv_1").body)["id"], "dlv_1");
  EXPECT_FALSE(one.contains("reason"));
  kit.engine.fake_deliveries.page.total = {.pairs = 7, .exact = false};
  kit.engine.fake_deliveries.page.data[0].pair.reason = "no \"total\"";
  const json page = json::parse(kit.Get("/api/v1/deliveries").body);
  EXPECT_EQ(page["total"], 7);
  EXPECT_EQ(page["total_exact"], false);
  EXPECT_EQ(page["data"][0]["reason"], "no \"total\"");
  kit.engine.fake_deliveries.page.data.clear();
  EXPECT_EQ(kit.Get("/api/v1/deliveries/dlv_1").status, 404);
}

TEST(AuditRoute, SaysWhatDoesNotAddUp) {
  ControlKit kit;
  deliver::AuditLine line;
  line.destination = "hook";
  line.events = 3;
  line.delivered = 2;
  line.problems_total = 1;
  line.problems.push_back({.delivery_id = "dlv_1", .offset = 7, .what = "is in two states"});
  deliver::AuditLine replay;
  replay.replay = "rpl_1";
  kit.engine.fake_audit.report = {.to = 9, .records = 9, .destinations = {line, replay}};
  const json report = json::parse(kit.Get("/api/v1/audit?from=1&to=9").body);
  EXPECT_EQ(report["balanced"], false);
  EXPECT_EQ(report["destinations"][0]["problems"][0]["offset"], 7);
  EXPECT_EQ(kit.engine.fake_audit.asked.from, 1U);
  EXPECT_EQ(kit.engine.fake_audit.asked.to, 9U);
  EXPECT_EQ(report["destinations"].size(), 1U);
  EXPECT_EQ(report["replays"][0]["replay"], "rpl_1");
  EXPECT_EQ(kit.Get("/api/v1/audit?cursor=1.0.5").status, 200);
  EXPECT_EQ(kit.engine.fake_audit.asked.cursor, "1.0.5");
  EXPECT_EQ(kit.Get("/api/v1/audit?cursor=1.0.5&from=1").status, 400);
  EXPECT_EQ(kit.Get("/api/v1/audit?cursor=").status, 400);
}

}  // namespace
}  // namespace tributary::control
