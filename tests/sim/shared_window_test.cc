// However many lanes stand at the tail, the log is read and decoded once for all of a loop.
#include "sim/whole_path_machine.h"

namespace tributary::deliver::whole {
namespace {

constexpr std::uint64_t kCommits = 20;
constexpr std::uint64_t kCommitEvents = 50;

// Reads of the disk that so many lanes cost, each of which looks at every event.
std::uint64_t ReadsOf(std::size_t lanes) {
  Machine machine(1, {});
  machine.log_options.tail_window_bytes = 0;  // so that every read of the log is one of the disk
  machine.log_options.recompress = false;
  machine.log_options.first_segment_bytes = 1 << 20;
  machine.on_committed = [] {};
  EXPECT_TRUE(machine.Start());
  const auto name_of = [](std::size_t i) { return "lane" + std::to_string(i); };
  for (std::size_t i = 0; i < lanes; ++i) {
    const nlohmann::json object{{"name", name_of(i)}, {"type", "sim"}, {"names", {"Never"}}};
    bool made = false;
    machine.engine().Create(object.dump(), [&made](auto result) { made = result.has_value(); });
    EXPECT_TRUE(machine.RunUntil([&made] { return made; }, kNanosPerSecond));
  }
  machine.RunFor(kNanosPerSecond);
  const std::uint64_t before = machine.fs().calls(sim::Call::kRead);
  for (std::uint64_t commit = 0; commit < kCommits; ++commit) {
    auto batch = std::make_unique<log::Batch>();
    for (std::uint64_t i = 0; i < kCommitEvents; ++i) {
      const std::string id = std::to_string(commit * kCommitEvents + i);
      EXPECT_TRUE(batch->Add({.source = 1, .key = id, .name = "Else", .message_id = id},
                             std::string(200, 'x')));
    }
    EXPECT_TRUE(machine.log().Append(0, batch, [](const auto&) {}));
    machine.RunFor(100 * kNanosPerMilli);
  }
  const std::uint64_t reads = machine.fs().calls(sim::Call::kRead) - before;
  machine.RunFor(kNanosPerSecond);
  for (std::size_t i = 0; i < lanes; ++i) {
    EXPECT_EQ(machine.engine().Stats(name_of(i))->filtered, kCommits * kCommitEvents);
  }
  return reads;
}

TEST(SharedWindow, FortyLanesAtTheTailReadTheLogNoMoreThanTwoDo) {
  const std::uint64_t two = ReadsOf(2);  // one on each loop
  EXPECT_GE(two, kCommits);
  EXPECT_LE(ReadsOf(40), two + two / 4);
}

}  // namespace
}  // namespace tributary::deliver::whole
