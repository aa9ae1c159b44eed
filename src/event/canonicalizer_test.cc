#include "event/canonicalizer.h"

#include <chrono>
#include <nlohmann/json.hpp>
#include <random>

#include "event/times.h"

namespace tributary::event {
namespace {

using nlohmann::json;
const UnixMicros kReceived = ParseIso8601("2026-11-21T19:49:24.424Z").value();

struct Made {
  std::string code, payload, key, name, message_id;
  Type type = Type::kOther;
  UnixMicros event_time_us = 0;
  bool for_all = false;
  json parsed() const { return json::parse(payload); }
};

// One request: an envelope (may be empty) and the event in it.
class Kit {
 public:
  explicit Kit(RequestFacts facts = {}) : canonicalizer_(os::SystemRandom()), facts_(facts) {
    if (facts_.received_at_us == 0) facts_.received_at_us = kReceived;
  }
  Made Make(std::string_view event, std::string_view envelope = {}) {
    event_text_ = event;
    const auto root = event_document_.Parse(event_text_);
    EXPECT_TRUE(root) << event;
    canonicalizer_.Begin(facts_);
    if (!envelope.empty()) {
      const auto around = envelope_document_.Parse(envelope);
      EXPECT_TRUE(around) << envelope;
      const auto taken = canonicalizer_.UseEnvelope(*around);
      if (!taken) return {.code = std::string(taken.error().code)};
    }
    const auto made = canonicalizer_.Make(*root);
    if (!made) return {.code = std::string(made.error().code)};
    Made out{.key = std::string(made->key),
             .name = std::string(made->name),
             .message_id = std::string(made->message_id),
             .type = made->type,
             .event_time_us = made->event_time_us,
             .for_all = made->for_all};
    for (const auto part : made->parts) out.payload += part;
    return out;
  }
  std::string_view reported_id() const { return canonicalizer_.message_id(); }

 private:
  JsonDocument event_document_, envelope_document_;
  Canonicalizer canonicalizer_;
  RequestFacts facts_;
  std::string event_text_;
};

Made Make(std::string_view event, std::string_view envelope = {}) {
  Kit kit;
  return kit.Make(event, envelope);
}
std::string CodeOf(std::string_view event) {
  return Make(event).code;
}

constexpr std::string_view kTrack =
    R"({"type":"track","messageId":"m1","userId":"u1","event":"Order Completed",)"
    R"("timestamp":"2026-11-21T19:49:24.086Z","sentAt":"2026-11-21T19:49:24.090Z",)"
    R"("properties":{"total":39.950,"big":123456789012345678901234567890,"huge":1e400},)"
    R"("writeKey":"secret","x-own":[1, 2 ,3]})";

TEST(Canonicalizer, SplicesWhatWasSent) {
  const Made made = Make(kTrack);
  EXPECT_EQ(made.payload,
            R"({"receivedAt":"2026-11-21T19:49:24.424Z","timestamp":"2026-11-21T19:49:24.420Z",)"
            R"("originalTimestamp":"2026-11-21T19:49:24.086Z",)"
            R"("type":"track","messageId":"m1","userId":"u1","event":"Order Completed",)"
            R"("sentAt":"2026-11-21T19:49:24.090Z",)"
            R"("properties":{"total":39.950,"big":123456789012345678901234567890,"huge":1e400},)"
            R"("x-own":[1, 2 ,3]})");
  EXPECT_EQ(made.type, Type::kTrack);
  EXPECT_EQ(made.key, "u1");
  EXPECT_EQ(made.name, "Order Completed");
  EXPECT_EQ(made.message_id, "m1");
  EXPECT_EQ(made.event_time_us, ParseIso8601("2026-11-21T19:49:24.420Z"));
}

TEST(Canonicalizer, KeyIsAnonymousIdThenUserId) {
  EXPECT_EQ(Make(R"({"type":"page","userId":"u","anonymousId":"a"})").key, "a");
  EXPECT_EQ(Make(R"({"type":"page","userId":"u","anonymousId":""})").key, "u");
  EXPECT_EQ(Make(R"({"type":"page","userId":"u","anonymousId":null})").key, "u");
}

TEST(Canonicalizer, MessageIdIsAssignedWhenAbsent) {
  for (const char* id : {"", R"("messageId":null,)", R"("messageId":"",)"}) {
    const Made made = Make(std::string("{") + id + R"("type":"page","userId":"u"})");
    EXPECT_EQ(made.message_id.size(), 36u);
    EXPECT_EQ(made.parsed()["messageId"], made.message_id);
  }
}

TEST(Canonicalizer, TypeComesFromThePathWhenAbsent) {
  Kit kit({.path_type = Type::kScreen});
  EXPECT_EQ(kit.Make(R"({"userId":"u"})").parsed()["type"], "screen");
  EXPECT_EQ(kit.Make(R"({"type":null,"userId":"u"})").type, Type::kScreen);
  EXPECT_EQ(kit.Make(R"({"type":"page","userId":"u"})").type, Type::kPage);
}

TEST(Canonicalizer, NumericIdsBecomeStringsWithTheSameDigits) {
  const Made made =
      Make(R"({"type":"group","userId":90071992547409931,"anonymousId":-1.0,"groupId":1e3})");
  EXPECT_EQ(made.parsed()["userId"], "90071992547409931");
  EXPECT_EQ(made.parsed()["anonymousId"], "-1.0");
  EXPECT_EQ(made.parsed()["groupId"], "1e3");
  EXPECT_EQ(made.key, "-1.0");
}

TEST(Canonicalizer, BlankIdsAreLeftOut) {
  const json parsed =
      Make(R"({"type":"page","userId":"","anonymousId":"a","groupId":null,"previousId":""})")
          .parsed();
  EXPECT_FALSE(parsed.contains("userId"));
  EXPECT_FALSE(parsed.contains("groupId"));
  EXPECT_FALSE(parsed.contains("previousId"));
}

TEST(Canonicalizer, EscapedKeysAndValuesAreUnderstood) {
  const Made made = Make(R"({"\u0074ype":"tr\u0061ck","user\u0049d":"a\"b","event":"\u00e9\n"})");
  EXPECT_EQ(made.type, Type::kTrack);
  EXPECT_EQ(made.key, "a\"b");
  EXPECT_EQ(made.name, "é\n");
}

TEST(Canonicalizer, OfRepeatedKnownFieldsTheLastCounts) {
  const Made made = Make(R"({"userId":"first","type":"page","userId":"second","z":1,)"
                         R"("type":"track","event":"e","z":2})");
  EXPECT_EQ(made.type, Type::kTrack);
  EXPECT_EQ(made.key, "second");
  EXPECT_EQ(made.payload.find("first"), std::string::npos);
  EXPECT_THAT(made.payload, testing::HasSubstr(R"("z":1)"));  // unknown: both kept
  EXPECT_THAT(made.payload, testing::HasSubstr(R"("z":2)"));
}

TEST(Canonicalizer, WriteKeysNeverReachTheLog) {
  const Made made = Make(R"({"writeKey":"s1","type":"page","userId":"u","wr\u0069teKey":"s2"})");
  EXPECT_EQ(made.payload.find("s1"), std::string::npos);
  EXPECT_EQ(made.payload.find("s2"), std::string::npos);
}

TEST(Canonicalizer, IncomingReceivedAtIsReplaced) {
  const Made made = Make(R"({"type":"page","userId":"u","receivedAt":"1999-01-01T00:00:00Z"})");
  EXPECT_EQ(made.parsed()["receivedAt"], "2026-11-21T19:49:24.424Z");
  EXPECT_EQ(made.payload.find("1999"), std::string::npos);
}

TEST(Canonicalizer, UnreadableTimesAreKeptAsTheClientsWord) {
  const Made made = Make(R"({"type":"page","userId":"u","timestamp":"soon"})");
  EXPECT_EQ(made.parsed()["originalTimestamp"], "soon");
  EXPECT_EQ(made.parsed()["timestamp"], "2026-11-21T19:49:24.424Z");
  const Made number = Make(R"({"type":"page","userId":"u","timestamp":1732218564086})");
  EXPECT_EQ(number.event_time_us, kReceived);
}

TEST(Canonicalizer, EnvelopesSentAtServesEventsWithoutTheirOwn) {
  constexpr std::string_view kEnvelope =
      R"({"batch":[],"sentAt":"2026-11-21T19:49:24.090Z","timestamp":"2001-01-01T00:00:00Z"})";
  const Made made =
      Make(R"({"type":"page","userId":"u","timestamp":"2026-11-21T19:49:24.086Z"})", kEnvelope);
  EXPECT_EQ(made.parsed()["timestamp"], "2026-11-21T19:49:24.420Z");
  EXPECT_EQ(made.parsed()["sentAt"], "2026-11-21T19:49:24.090Z");
  const Made own = Make(R"({"type":"page","userId":"u","timestamp":"2026-11-21T19:49:24.086Z",)"
                        R"("sentAt":"2026-11-21T19:49:24.087Z"})",
                        kEnvelope);
  EXPECT_EQ(own.parsed()["timestamp"], "2026-11-21T19:49:24.423Z");
  const Made none = Make(R"({"type":"page","userId":"u"})", kEnvelope);
  EXPECT_EQ(none.event_time_us, kReceived);
}

TEST(Canonicalizer, AnEventThatMayExcludeADestinationIsNotForAll) {
  const auto for_all = [](const std::string& more, std::string_view envelope = {}) {
    return Make(R"({"type":"page","userId":"u")" + more + "}", envelope).for_all;
  };
  EXPECT_TRUE(for_all(""));
  EXPECT_TRUE(for_all(R"(,"integrations":null)"));
  EXPECT_TRUE(for_all(R"(,"integrations":{})"));
  EXPECT_TRUE(for_all(R"(,"integrations":{"All":true,"A":{"x":1}},"properties":{"x":false})"));
  EXPECT_FALSE(for_all(R"(,"integrations":{"All":false})"));
  EXPECT_FALSE(for_all(R"(,"integrations":{},"integrations":{"A" : false})"));
  EXPECT_TRUE(for_all(R"(,"integrations":{"All":true})", R"({"integrations":{"A":true}})"));
  EXPECT_FALSE(for_all(R"(,"integrations":{"All":true})", R"({"integrations":{"A":false}})"));
  EXPECT_FALSE(for_all("", R"({"integrations":{"All":false}})"));
}

TEST(Canonicalizer, EnvelopesContextIsMergedMemberByMember) {
  constexpr std::string_view kEnvelope = R"({"context":{"library":{"name":"go"},"app":{"v":1.0}},)"
                                         R"("integrations":{"All":true,"X":false}})";
  const json merged = Make(R"({"type":"page","userId":"u","context":{"library":{"v":2}, "os":1 },)"
                           R"("integrations":{"X":true}})",
                           kEnvelope)
                          .parsed();
  EXPECT_EQ(merged["context"], json::parse(R"({"library":{"v":2},"os":1,"app":{"v":1.0}})"));
  EXPECT_EQ(merged["integrations"], json::parse(R"({"X":true,"All":true})"));
  for (const char* own : {"", R"(,"context":null)", R"(,"context":{})"}) {
    const json whole =
        Make(std::string(R"({"type":"page","userId":"u")") + own + "}", kEnvelope).parsed();
    EXPECT_EQ(whole["context"], json::parse(R"({"library":{"name":"go"},"app":{"v":1.0}})"));
    EXPECT_EQ(whole["integrations"]["X"], false);
  }
  EXPECT_EQ(Make(R"({"type":"page","userId":"u","context":"odd"})", kEnvelope).parsed()["context"],
            "odd");
}

TEST(Canonicalizer, EnvelopeHasLimits) {
  const auto envelope = [](std::size_t members) {
    std::string text = "{\"context\":{";
    for (std::size_t i = 0; i < members; ++i) {
      text += (i == 0 ? "\"k" : ",\"k") + std::to_string(i) + "\":1";
    }
    return text + "}}";
  };
  const std::string event = R"({"type":"page","userId":"u"})";
  EXPECT_EQ(Make(event, envelope(kEnvelopeMembersMax)).code, "");
  EXPECT_EQ(Make(event, envelope(kEnvelopeMembersMax + 1)).code, "envelope_too_large");
  const auto bytes = [](std::size_t size) {  // of the one member, "k":"…"
    return "{\"context\":{\"k\":\"" + std::string(size - 6, 'x') + "\"}}";
  };
  EXPECT_EQ(Make(event, bytes(kEnvelopeMergeBytesMax)).code, "");
  EXPECT_EQ(Make(event, bytes(kEnvelopeMergeBytesMax + 1)).code, "envelope_too_large");
}

TEST(Canonicalizer, BrowsersGetTheirAddress) {
  Kit browser({.browser_ip = "192.0.2.1", .peer_ip = "192.0.2.1"});
  EXPECT_EQ(browser.Make(R"({"type":"page","userId":"u"})").parsed()["context"]["ip"], "192.0.2.1");
  EXPECT_EQ(browser.Make(R"({"type":"page","userId":"u","context":{"a":1}})").parsed()["context"],
            json::parse(R"({"a":1,"ip":"192.0.2.1"})"));
  EXPECT_EQ(browser.Make(R"({"type":"page","userId":"u","context":{"ip":"::1"}})")
                .parsed()["context"]["ip"],
            "::1");
  EXPECT_EQ(browser.Make(R"({"type":"page","userId":"u"})", R"({"context":{"ip":"::2"}})")
                .parsed()["context"],
            json::parse(R"({"ip":"::2"})"));
  Kit server({.peer_ip = "192.0.2.1"});
  EXPECT_FALSE(server.Make(R"({"type":"page","userId":"u"})").parsed().contains("context"));
  EXPECT_EQ(server.Make(R"({"type":"page","userId":"u","context":{"direct":true}})")
                .parsed()["context"]["ip"],
            "192.0.2.1");
  constexpr const char* kDirect = R"({"context":{"direct":true}})";
  EXPECT_EQ(server.Make(R"({"type":"page","userId":"u"})", kDirect).parsed()["context"],
            json::parse(R"({"direct":true,"ip":"192.0.2.1"})"));
  EXPECT_EQ(server.Make(R"({"type":"page","userId":"u","context":{"direct":false}})", kDirect)
                .parsed()["context"],
            json::parse(R"({"direct":false})"));
  EXPECT_EQ(server.Make(R"({"type":"page","userId":"u"})", R"({"context":{"direct":"true"}})")
                .parsed()["context"],
            json::parse(R"({"direct":"true"})"));
}

TEST(Canonicalizer, RefusesWithSegmentsCodes) {
  const std::pair<const char*, const char*> cases[] = {
      {R"(["x"])", "event_not_object"},
      {R"({"userId":"u"})", "type_required"},
      {R"({"type":"delete","userId":"u"})", "type_unknown"},
      {R"({"type":1,"userId":"u"})", "type_unknown"},
      {R"({"type":"page"})", "no_user_anon_id"},
      {R"({"type":"page","userId":"","anonymousId":null})", "no_user_anon_id"},
      {R"({"type":"page","userId":true})", "id_not_string"},
      {R"({"type":"page","anonymousId":{}})", "id_not_string"},
      {R"({"type":"group","userId":"u","groupId":[]})", "id_not_string"},
      {R"({"type":"alias","userId":"u","previousId":false})", "id_not_string"},
      {R"({"type":"group","userId":"u"})", "id_required"},
      {R"({"type":"alias","userId":"u"})", "id_required"},
      {R"({"type":"alias","anonymousId":"a","previousId":"p"})", "id_required"},
      {R"({"type":"track","userId":"u"})", "event_not_defined"},
      {R"({"type":"track","userId":"u","event":null})", "event_not_defined"},
      {R"({"type":"track","userId":"u","event":""})", "event_not_defined"},
      {R"({"type":"track","userId":"u","event":7})", "event_not_string"},
      {R"({"type":"track","userId":"u","event":"e","properties":[]})", "properties_not_object"},
      {R"({"type":"page","userId":"u","properties":"x"})", "properties_not_object"},
      {R"({"type":"identify","userId":"u","traits":"x"})", "traits_not_object"},
      {R"({"type":"group","userId":"u","groupId":"g","traits":1})", "traits_not_object"},
      {R"({"type":"page","userId":"u","name":""})", "name_not_string"},
      {R"({"type":"screen","userId":"u","name":{}})", "name_not_string"},
      {R"({"type":"page","userId":"u","category":1})", "category_not_string"},
      {R"({"type":"page","userId":"u","messageId":1})", "message_id_not_string"}};
  for (const auto& [event, code] : cases) EXPECT_EQ(CodeOf(event), code) << event;
}

TEST(Canonicalizer, TakesWhatSdksReallySend) {
  for (const char* event :
       {R"({"type":"screen","name":"Home","category":"","userId":"","anonymousId":"a"})",
        R"({"type":"page","anonymousId":null,"userId":"u","category":null,"name":null})",
        R"({"type":"track","userId":"u","event":"e","properties":null})",
        R"({"type":"identify","userId":"u","traits":null,"properties":"ignored"})",
        R"({"type":"alias","userId":"same","previousId":"same"})"}) {
    EXPECT_EQ(CodeOf(event), "") << event;
  }
}

TEST(Canonicalizer, MessageIdMayHaveAHundredCharactersOfAnyLength) {
  for (const std::string character :
       {"m", "\u00e9", "\U0001F600", R"(\u00e9)", R"(\ud83d\ude00)"}) {
    const auto with = [&](std::size_t count) {
      std::string event = R"({"type":"page","userId":"u","messageId":")";
      for (std::size_t i = 0; i < count; ++i) event += character;
      return event + "\"}";
    };
    EXPECT_EQ(CodeOf(with(kMessageIdCharactersMax)), "") << character;
    EXPECT_EQ(CodeOf(with(kMessageIdCharactersMax + 1)), "message_id_too_long") << character;
  }
}

TEST(Canonicalizer, EventsHaveASizeLimit) {
  const auto of_size = [](std::size_t size) {
    const std::string frame = R"({"type":"page","userId":"u","x":""})";
    return frame.substr(0, frame.size() - 2) + std::string(size - frame.size(), 'x') + "\"}";
  };
  EXPECT_EQ(CodeOf(of_size(kEventBytesMax)), "");
  EXPECT_EQ(CodeOf(of_size(kEventBytesMax + 1)), "event_too_large");
}

TEST(Canonicalizer, ARefusedEventIsReportedByItsId) {
  Kit kit;
  EXPECT_EQ(kit.Make(R"({"type":"track","messageId":"m9","userId":"u"})").code,
            "event_not_defined");
  EXPECT_EQ(kit.reported_id(), "m9");
  EXPECT_EQ(kit.Make(R"([])").code, "event_not_object");
  EXPECT_EQ(kit.reported_id(), "");
}

// What the canonical event must be, worked out the slow way.
std::optional<json> Expected(const json& sent, const json& envelope) {
  const auto text = [&](const char* name) {
    if (!sent.contains(name) || sent[name].is_null()) return std::string();
    return sent[name].is_string() ? sent[name].get<std::string>() : sent[name].dump();
  };
  if (!sent.is_object() || (text("userId").empty() && text("anonymousId").empty())) {
    return std::nullopt;
  }
  json out = sent;
  for (const char* name : {"userId", "anonymousId", "groupId", "previousId"}) {
    if (out.contains(name)) out[name] = text(name);
    if (text(name).empty()) out.erase(name);
  }
  for (const char* name : {"context", "integrations"}) {
    if (!envelope.contains(name)) continue;
    if (out.contains(name) && !out[name].is_null() && !out[name].is_object()) continue;
    json merged = envelope[name];
    if (out.contains(name) && out[name].is_object()) merged.update(out[name]);
    if (!merged.empty()) out[name] = merged;
  }
  SentTimes times{.received_us = kReceived};
  if (sent.contains("timestamp") && sent["timestamp"].is_string()) {
    times.timestamp_us = ParseIso8601(text("timestamp"));
  }
  if (sent.contains("originalTimestamp") && sent["originalTimestamp"].is_string()) {
    times.original_us = ParseIso8601(text("originalTimestamp"));
  }
  const bool own_sent = sent.contains("sentAt") && !sent["sentAt"].is_null();
  if (!own_sent) out.erase("sentAt");
  if (!own_sent && envelope.contains("sentAt")) out["sentAt"] = envelope["sentAt"];
  if (out.contains("sentAt") && out["sentAt"].is_string()) {
    times.sent_us = ParseIso8601(out["sentAt"].get<std::string>());
  }
  const bool has_original =
      sent.contains("originalTimestamp") && !sent["originalTimestamp"].is_null();
  if (!has_original) {
    out.erase("originalTimestamp");
    if (!text("timestamp").empty()) out["originalTimestamp"] = sent["timestamp"];
  }
  out["timestamp"] = FormatIso8601(CorrectedTime(times));
  out["receivedAt"] = FormatIso8601(kReceived);
  out.erase("writeKey");
  return out;
}

// Random events, some of their values odd; only rules that Expected() knows are exercised.
class EventMaker {
 public:
  explicit EventMaker(unsigned seed) : random_(seed) {}
  std::string Make() {
    std::string out = "{\"type\":\"page\",\"messageId\":\"m\"";
    for (auto n = random_() % 12; n > 0; --n) out += Space() + "," + Space() + Field();
    return out + Space() + "}";
  }

 private:
  template <std::size_t N>
  std::string OneOf(const char* const (&choices)[N]) {
    return choices[random_() % N];
  }
  std::string Space() { return OneOf({"", "", "", " ", "\n\t"}); }
  std::string Field() {
    const std::string name = OneOf({"userId", "anonymousId", "groupId", "previousId", "context",
                                    "integrations", "timestamp", "originalTimestamp", "sentAt",
                                    "receivedAt", "writeKey", "x", "y z", "user\\u0049d"});
    return "\"" + name + "\"" + Space() + ":" + Space() + Value(name);
  }
  std::string Value(const std::string& name) {
    if (name.ends_with("Id") || name.ends_with("d")) {
      return OneOf({"\"id-1\"", "\"\"", "null", "42", "\"a\\\"b\"", "-7"});
    }
    if (name == "timestamp" || name == "originalTimestamp" || name == "sentAt") {
      return OneOf({"\"2026-11-21T19:49:24.086Z\"", "\"2026-11-21T19:49:24.090+00:00\"", "\"junk\"",
                    "null", "12", "\"2026-11-21\"", "\"9999-01-01\""});
    }
    return OneOf({"{}", "{ }", "null", "{\"a\":1}",
                  "{\"a\" : {\"b\":[1,2,{\"c\":\"}\"}]} , \"k\":2}", "\"text\"", "[1,\"]\"]",
                  "1.50", "true"});
  }
  std::mt19937 random_;
};

TEST(Canonicalizer, AgreesWithASlowReferenceOnRandomEvents) {
  EventMaker maker(11);
  Kit kit;
  const std::string_view envelopes[] = {
      {},
      R"({"sentAt":"2026-11-21T19:49:24.400Z","context":{"k":"env","lib":[1]}})",
      R"({"context":{},"integrations":{"All":false}})"};
  int taken = 0;
  for (int i = 0; i < 50'000; ++i) {
    const std::string text = maker.Make();
    const std::string_view envelope = envelopes[static_cast<std::size_t>(i) % 3];
    const auto expected =
        Expected(json::parse(text), envelope.empty() ? json::object() : json::parse(envelope));
    const Made made = kit.Make(text, envelope);
    ASSERT_EQ(made.code.empty(), expected.has_value()) << text << made.code;
    if (!expected) continue;
    ++taken;
    ASSERT_EQ(made.parsed(), *expected) << text << "\n" << made.payload;
    ASSERT_EQ(FormatIso8601(made.event_time_us), (*expected)["timestamp"]);
  }
  EXPECT_GT(taken, 10'000);
}

}  // namespace
}  // namespace tributary::event
