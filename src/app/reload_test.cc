// A reload that fails half way leaves what was there.
#include "app/reload.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "app/translate.h"
#include "os/clock.h"
#include "os/random.h"
#include "support/manual_executor.h"
#include "support/memory_store.h"
#include "support/temp_dir.h"

namespace tributary::app {
namespace {

using nlohmann::json;

constexpr const char* kOld = "sources:\n- {name: a, write_key: OLD-KEY}\n";
constexpr const char* kNew =
    "sources:\n- {name: a, write_key: NEW-KEY}\n- {name: b, write_key: B-KEY}\n"
    "egress:\n  allow: [127.0.0.1/32]\n"
    "tokens: [{name: boss, token: t-admin, scopes: [admin]}]\n";

// Finds nothing wrong when it is asked, and may refuse when it is told.
class LateRefusal final : public deliver::Declared {
 public:
  std::optional<Error> refuses;
  Status Check(const std::vector<std::string>&) const override { return {}; }
  void Apply(std::vector<std::string>, std::move_only_function<void(const Status&)> done) override {
    done(refuses ? Status(std::unexpected(*refuses)) : Status());
  }
};

config::Settings SettingsOf(const config::LoadInput& input) {
  const auto loaded = config::Load(input);
  EXPECT_TRUE(loaded.has_value());
  return loaded->settings;
}

struct ReloadKit {
  test::TempDir dir;
  test::ManualExecutor blocking;
  test::MemoryStore store;
  LateRefusal destinations;
  config::LoadInput input{.file_name = dir / "tributary.yaml", .text = kOld};
  config::Settings settings = SettingsOf(input);
  std::unique_ptr<control::SourceRegistry> sources = *control::SourceRegistry::Open(
      {.store = &store, .clock = &os::SystemClock(), .random = &os::SystemRandom()},
      settings.sources);
  control::Access access{TokensOf(settings)};
  http::EgressGuard egress = *http::EgressGuard::Make(EgressOptionsOf(settings));
  Reloader reloader{{.fs = &os::PosixFileSystem(),
                     .blocking = &blocking,
                     .sources = sources.get(),
                     .destinations = &destinations,
                     .access = &access,
                     .egress = &egress},
                    input,
                    settings};

  ReloadKit() {
    EXPECT_TRUE(os::WriteFileAtomic(os::PosixFileSystem(), input.file_name, kNew).has_value());
  }
  control::Configuration::Answer Reload() {
    std::optional<control::Configuration::Answer> answer;
    reloader.Reload([&](control::Configuration::Answer a) { answer = std::move(a); });
    blocking.Run();
    EXPECT_TRUE(answer.has_value());
    return answer.value_or(control::Configuration::Answer{});
  }
  bool Opens(std::string_view key) const {
    const auto snapshot = sources->current();
    const ingest::KeyMatch match = snapshot->FindByKey(key);
    return match.source != nullptr && match.source->takes();
  }
  // By the token of the new file; "local" while it is none.
  std::string WhoIsBoss() const {
    http::Request request;
    request.headers.emplace_back("Authorization", "Bearer t-admin");
    return access.NameOf(request);
  }
  bool AllowsLoopback() const { return egress.JudgeUrl("http://127.0.0.1/").has_value(); }
};

TEST(Reloader, WhatTheDestinationsRefuseIsUndoneAtTheSources) {
  ReloadKit kit;
  kit.destinations.refuses = Error(ErrorCode::kExhausted, "destinations", "there are too many");
  for (int again = 0; again < 2; ++again) {
    const auto refused = kit.Reload();
    EXPECT_EQ(refused.status, 507) << refused.json;
    EXPECT_EQ(json::parse(refused.json)["field"], "destinations");
    EXPECT_TRUE(kit.Opens("OLD-KEY"));
    EXPECT_FALSE(kit.Opens("NEW-KEY"));
    EXPECT_FALSE(kit.Opens("B-KEY"));
    EXPECT_FALSE(kit.AllowsLoopback());
    EXPECT_EQ(kit.WhoIsBoss(), "local") << "the token has come into force";
  }
  // It also survives a restart: the sources are as they were in the store.
  kit.sources = *control::SourceRegistry::Open(
      {.store = &kit.store, .clock = &os::SystemClock(), .random = &os::SystemRandom()},
      kit.settings.sources);
  EXPECT_TRUE(kit.Opens("OLD-KEY"));
  EXPECT_FALSE(kit.Opens("B-KEY"));
}

TEST(Reloader, OnceTheDestinationsAreGoodEverythingIsApplied) {
  ReloadKit kit;
  kit.destinations.refuses = Error(ErrorCode::kUnavailable, "the store failed");
  EXPECT_EQ(kit.Reload().status, 503);
  kit.destinations.refuses.reset();
  const auto done = kit.Reload();
  ASSERT_EQ(done.status, 200) << done.json;
  EXPECT_EQ(json::parse(done.json)["applied"].size(), 4U) << done.json;
  EXPECT_FALSE(kit.Opens("OLD-KEY"));
  EXPECT_TRUE(kit.Opens("NEW-KEY"));
  EXPECT_TRUE(kit.Opens("B-KEY"));
  EXPECT_TRUE(kit.AllowsLoopback());
  EXPECT_EQ(kit.WhoIsBoss(), "boss");
  EXPECT_TRUE(json::parse(kit.Reload().json)["applied"].empty());
}

}  // namespace
}  // namespace tributary::app
