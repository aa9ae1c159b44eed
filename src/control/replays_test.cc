// Replays over the API: which call reaches the engine, what comes back, what is refused before it.
#include <nlohmann/json.hpp>

#include "control/control_kit_test.h"

namespace tributary::control {
namespace {

TEST(ReplaysApi, EveryCallReachesTheEngineOnce) {
  ControlKit kit;
  EXPECT_EQ(kit.Post("/api/v1/replays", R"({"destination":"d"})").status, 201);
  EXPECT_EQ(kit.Post("/api/v1/replays/rpl_1/pause", "").status, 200);
  EXPECT_EQ(kit.Post("/api/v1/replays/rpl_1/resume", "{}").status, 200);
  EXPECT_EQ(kit.Post("/api/v1/replays/rpl_1/cancel", "").status, 200);
  EXPECT_EQ(kit.engine.fake_replays.calls,
            (std::vector<std::string>{R"(Create {"destination":"d"})", "Pause rpl_1",
                                      "Resume rpl_1", "Cancel rpl_1"}));
  EXPECT_EQ(kit.Get("/api/v1/replays/rpl_1").status, 200);
  EXPECT_EQ(kit.Get("/api/v1/replays/rpl_2").status, 404);
  EXPECT_EQ(BodyOf(kit.Get("/api/v1/replays?limit=1"))["next_cursor"], "rpl_1");
  EXPECT_TRUE(BodyOf(kit.Get("/api/v1/replays?destination=none"))["data"].empty());
}

TEST(ReplaysApi, SlipsOfThePenAreRefusedAndReachNobody) {
  ControlKit kit;
  EXPECT_EQ(kit.Post("/api/v1/replays?dry=1", "{}").status, 400);
  EXPECT_EQ(kit.Post("/api/v1/replays/rpl_1/pause", R"({"for":"1h"})").status, 400);
  EXPECT_EQ(kit.Get("/api/v1/replays?destnation=d").status, 400);
  EXPECT_EQ(kit.Get("/api/v1/replays?cursor=bad").status, 400);
  EXPECT_TRUE(kit.engine.fake_replays.calls.empty());
}

TEST(ReplaysApi, RefusalsNameTheField) {
  ControlKit kit;
  kit.engine.fake_replays.refuse = Error(ErrorCode::kInvalid, "from", "from must be a time");
  const http::Response refused = kit.Post("/api/v1/replays", "{}");
  EXPECT_EQ(refused.status, 400);
  EXPECT_EQ(BodyOf(refused)["field"], "from");
  kit.engine.fake_replays.refuse = Error(ErrorCode::kConflict, "id", "rpl_1 has ended");
  EXPECT_EQ(kit.Post("/api/v1/replays/rpl_1/pause", "").status, 409);
}

}  // namespace
}  // namespace tributary::control
