#include "sources/source_kit_test.h"

namespace tributary::sources {
namespace {

using test::Answer;
using test::json;
using test::SourceKit;

Answer GetSettings(SourceKit& kit, std::string target,
                   std::vector<std::pair<std::string, std::string>> headers = {}) {
  return kit.Ask({.method = http::Method::kGet, .target = std::move(target), .headers = headers});
}

TEST(SettingsApi, SegmentsSdkIsSentToThisServer) {
  SourceKit kit;
  for (const char* path :
       {"/v1/projects/WRITE_KEY/settings", "/projects/WRITE_KEY/settings",
        "/v1/projects/projects/WRITE_KEY/settings", "/projects/projects/WRITE_KEY/settings"}) {
    const Answer answer = GetSettings(
        kit, path, {{"Host", "cdp.example:8080"}, {"Origin", "http://www.shop.example"}});
    EXPECT_EQ(answer.status, 200) << path;
    EXPECT_EQ(answer.header("Access-Control-Allow-Origin"), "http://www.shop.example");
    const json segment = answer.parsed()["integrations"]["Segment.io"];
    EXPECT_EQ(segment["apiKey"], "WRITE_KEY");
    EXPECT_EQ(segment["apiHost"], "cdp.example:8080/v1");
    EXPECT_EQ(segment["protocol"], "http");
    EXPECT_EQ(answer.parsed()["integrations"].size(), 1u);  // more would load foreign scripts
    EXPECT_EQ(answer.parsed()["metrics"]["sampleRate"], 0);
  }
}

TEST(SettingsApi, ACacheKeepsPagesApart) {
  SourceKit kit;
  const std::string path = "/v1/projects/WRITE_KEY/settings";
  EXPECT_EQ(GetSettings(kit, path).header("Vary"), "Origin");
  EXPECT_EQ(GetSettings(kit, path, {{"Origin", "http://www.shop.example"}}).header("Vary"),
            "Origin");
}

TEST(SettingsApi, AProxyThatEndsTlsIsFollowed) {
  SourceKit kit;
  const Answer answer = GetSettings(kit, "/v1/projects/WRITE_KEY/settings",
                                    {{"Host", "cdp.example"}, {"X-Forwarded-Proto", "https"}});
  EXPECT_EQ(answer.parsed()["integrations"]["Segment.io"]["protocol"], "https");
}

TEST(SettingsApi, AHostThatIsNoHostIsNotEchoed) {
  SourceKit kit;
  const Answer answer =
      GetSettings(kit, "/v1/projects/WRITE_KEY/settings", {{"Host", "evil\",\"x\":\"<script>"}});
  EXPECT_EQ(answer.status, 200);
  EXPECT_FALSE(answer.parsed()["integrations"]["Segment.io"].contains("apiHost"));
  EXPECT_EQ(answer.body.find("script"), std::string::npos);
}

TEST(SettingsApi, UnknownAndDisabledKeysHaveNoSettings) {
  SourceKit kit;
  EXPECT_EQ(GetSettings(kit, "/v1/projects/nobody/settings").status, 404);
  EXPECT_EQ(GetSettings(kit, "/v1/projects/OFF/settings").code(), "source_disabled");
  EXPECT_EQ(GetSettings(kit, "/sourceConfig/?writeKey=nobody").status, 401);
  EXPECT_EQ(GetSettings(kit, "/sourceConfig/?writeKey=OFF").status, 404);
}

TEST(SettingsApi, RudderStacksSdkIsTold) {
  SourceKit kit;
  for (const char* path :
       {"/sourceConfig/?p=npm&writeKey=WRITE_KEY", "/sourceConfig?writeKey=WRITE_KEY"}) {
    const json source = GetSettings(kit, path).parsed()["source"];
    EXPECT_EQ(source["writeKey"], "WRITE_KEY");
    EXPECT_EQ(source["enabled"], true);
    EXPECT_EQ(source["config"]["statsCollection"]["errors"]["enabled"], false);
    EXPECT_TRUE(source["destinations"].empty());
  }
}

}  // namespace
}  // namespace tributary::sources
