// Requests captured from real SDKs, replayed as they were sent; skipped where the fixtures are not
// at hand. What must arrive is worked out here the slow way, from the rules of the event model.
#include <filesystem>
#include <fstream>

#include "codec/gzip.h"
#include "sources/source_kit_test.h"
#include "support/temp_dir.h"

namespace tributary::sources {
namespace {

using test::Answer;
using test::json;
using test::SourceKit;

struct Fixture {
  std::string name;
  json content;
};

std::vector<Fixture> Fixtures() {
  std::vector<Fixture> out;
  const std::string shared = tributary::test::SharedDir();
  if (shared.empty()) return out;
  for (const auto& entry : std::filesystem::directory_iterator(shared + "/fixtures/collection")) {
    std::ifstream in(entry.path());
    out.push_back({entry.path().filename().string(), json::parse(in)});
  }
  return out;
}

bool IsOurs(const Fixture& fixture) {
  return !fixture.name.starts_with("jitsu") && !fixture.name.ends_with("seed-destinations.json");
}

test::Sent Request(const Fixture& fixture) {
  const json& f = fixture.content;
  const std::string method = f["method"];
  test::Sent sent{.method = method == "GET"       ? http::Method::kGet
                            : method == "OPTIONS" ? http::Method::kOptions
                                                  : http::Method::kPost,
                  .target = f["path"]};
  if (!f["body"].is_null()) sent.body = f["body"].dump();
  if (f.value("bodyEncoding", "") == "gzip") sent.body = codec::GzipCompress(sent.body);
  for (const auto& [name, value] : f["headers"].items()) sent.headers.emplace_back(name, value);
  return sent;
}

json EventsOf(const json& body) {
  return body.contains("batch") ? body["batch"] : json::array({body});
}

// The member-wise rules, apart from times and ids that are assigned.
void ExpectSame(const json& sent, const json& envelope, const json& stored) {
  json expected = sent;
  for (const char* id : {"userId", "anonymousId"}) {
    if (expected.contains(id) && (expected[id].is_null() || expected[id] == "")) expected.erase(id);
  }
  expected.erase("writeKey");
  if (envelope.contains("context")) {
    json context = envelope["context"];
    if (expected.contains("context")) context.update(expected["context"]);
    expected["context"] = context;
  }
  if (!expected.contains("sentAt") && envelope.contains("sentAt")) {
    expected["sentAt"] = envelope["sentAt"];
  }
  if (expected.contains("timestamp")) expected["originalTimestamp"] = expected["timestamp"];
  const auto original = ParseIso8601(expected["originalTimestamp"].get<std::string>());
  const auto sent_at = ParseIso8601(expected["sentAt"].get<std::string>());
  ASSERT_TRUE(original && sent_at);
  expected["timestamp"] = FormatIso8601(test::kNow - (*sent_at - *original));
  expected["receivedAt"] = FormatIso8601(test::kNow);
  EXPECT_EQ(stored, expected);
}

TEST(Fixtures, CapturedRequestsBecomeTheEventsTheyMean) {
  const auto fixtures = Fixtures();
  if (fixtures.empty()) GTEST_SKIP() << "no fixtures: set TRIBUTARY_SHARED to their directory";
  int replayed = 0;
  for (const Fixture& fixture : fixtures) {
    const json& body = fixture.content["body"];
    if (!IsOurs(fixture) || !body.is_object() || body.contains("series")) continue;
    if (fixture.content["path"] == "/track") continue;  // the seed's, below
    SCOPED_TRACE(fixture.name);
    SourceKit kit;
    const Answer answer = kit.Ask(Request(fixture));
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, "{\"success\":true}");
    const json events = EventsOf(body);
    const auto records = kit.Records();
    ASSERT_EQ(records.size(), events.size());
    for (std::size_t i = 0; i < events.size(); ++i) {
      ExpectSame(events[i], body.contains("batch") ? body : json::object(), records[i].parsed());
      EXPECT_EQ(records[i].message_id, events[i]["messageId"]);
    }
    ++replayed;
  }
  EXPECT_GE(replayed, 25);
}

TEST(Fixtures, EverythingElseIsAnsweredAsItsSdkExpects) {
  const auto fixtures = Fixtures();
  if (fixtures.empty()) GTEST_SKIP() << "no fixtures: set TRIBUTARY_SHARED to their directory";
  for (const Fixture& fixture : fixtures) {
    if (!IsOurs(fixture)) continue;
    SCOPED_TRACE(fixture.name);
    SourceKit kit;
    const test::Sent sent = Request(fixture);
    const Answer answer = kit.Ask(sent);
    const bool preflight = sent.method == http::Method::kOptions;
    EXPECT_EQ(answer.status, preflight ? 204 : 200);
    if (fixture.content["headers"].contains("Origin")) {
      EXPECT_EQ(answer.header("Access-Control-Allow-Origin"), fixture.content["headers"]["Origin"]);
    }
    if (preflight) {
      EXPECT_EQ(answer.header("Access-Control-Allow-Headers"),
                fixture.content["headers"]["Access-Control-Request-Headers"]);
    }
    if (fixture.content.contains("decodedData")) {
      const json& wanted = fixture.content["decodedData"];
      EXPECT_EQ(kit.Only().parsed()["properties"], wanted["properties"]);
      EXPECT_EQ(kit.Only().parsed()["userId"], wanted["userId"]);
    }
    if (fixture.content["path"] == "/track") {
      EXPECT_EQ(kit.Only().parsed()["properties"], fixture.content["body"]["metadata"]);
    }
  }
}

}  // namespace
}  // namespace tributary::sources
