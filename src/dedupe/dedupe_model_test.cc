// The stage against the plainest possible model, a map, over a million events with a closing
// window, restarts and damage in between.
#include <random>
#include <unordered_map>

#include "sim/dedupe_rig.h"
#include "support/scaled.h"

namespace tributary::dedupe {
namespace {

using sim::DedupeRig;

constexpr std::int64_t kWindow = 3'600;

struct Model {
  std::unordered_map<std::string, std::int64_t> originals;  // source and id → when
  std::vector<bool> verdicts;

  void Add(log::SourceId source, const std::string& id, std::int64_t now_s) {
    const auto [original, fresh] = originals.try_emplace(std::to_string(source) + "/" + id, now_s);
    const bool repeat = !fresh && now_s - original->second <= kWindow;
    if (!repeat) original->second = now_s;
    verdicts.push_back(repeat);
  }
};

// Ids are drawn so that a repeat may come at once, a run later, or about when the window closes.
std::string DrawId(std::mt19937_64& random, std::size_t made) {
  const std::size_t reach = std::size_t{1} << (random() % 21);
  const std::size_t back = random() % 4 == 0 ? random() % reach : 0;
  return std::to_string(made - std::min(made, back));
}

TEST(DedupeModel, AMillionEventsAgreeWithAMap) {
  DedupeRig::Hush();
  constexpr std::size_t kEvents = test::Scaled(1'000'000);
  std::mt19937_64 random(20);
  DedupeRig rig(70'000, 1);
  rig.options.window_us = kWindow * kMicrosPerSecond;
  rig.options.filter_bytes_max = 8 << 20;
  rig.MustOpen();
  Model model;
  while (model.verdicts.size() < kEvents) {
    const std::size_t count = 1 + random() % 20'000;
    std::vector<std::string> ids;
    std::vector<log::RecordFields> records;
    for (std::size_t i = 0; i < count; ++i)
      ids.push_back(DrawId(random, model.verdicts.size() + i));
    for (const std::string& id : ids) {
      records.push_back(rig.Fields(1 + random() % 2, id));
      model.Add(records.back().source, id, rig.now_s);
    }
    rig.Append(0, records);
    rig.now_s += static_cast<std::int64_t>(random() % 120);
    if (random() % 10 == 0) rig.Sync();
    if (random() % 30 == 0) rig.Restart();
    if (random() % 60 == 0) {
      rig.Sync();
      const auto files = rig.Files(".ids");
      if (!files.empty()) rig.fs.FlipBit(files[random() % files.size()], random() % 800'000);
    }
  }
  rig.Sync();
  ASSERT_EQ(rig.Verdicts(0), model.verdicts);
  EXPECT_GT(std::ranges::count(model.verdicts, true), test::Scaled(50'000));
  if (!test::kSanitized) {  // fewer events close no window
    EXPECT_GT(rig.Metric("tributary_dedupe_window_closed_total{by=\"age\"}"), 0u);
  }

  rig.Restart();
  rig.Sync();
  ASSERT_EQ(rig.Verdicts(0), model.verdicts);
  DedupeRig::Unhush();
}

}  // namespace
}  // namespace tributary::dedupe
