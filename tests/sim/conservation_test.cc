// Conservation: whatever topology, faults, restarts, changes, replays and redrives a seed makes,
// every pair ends in exactly one state, the counts say how many are in each, the product's own
// audit agrees, every event that a healthy receiver was owed has arrived, and of a key in its
// order.
//
// A failing seed prints the command that runs it alone; TRIBUTARY_SIM_SEED=N does that.
// TRIBUTARY_SIM_SEEDS=N lets every simulation run N times as many seeds.
#include <cstdlib>

#include "sim/conservation_world.h"
#include "support/scaled.h"

namespace tributary::deliver {
namespace {

const DestinationRegistration kSim = Register<SimDestination>("sim", "A simulated receiver.");
const DestinationRegistration kSink = Register<conserve::Sink>("sink", "Takes all at once.");

std::uint64_t RunSeed(std::uint64_t seed) {
  SCOPED_TRACE("to run this one alone: TRIBUTARY_SIM_SEED=" + std::to_string(seed) +
               " build/tests/sim_test --gtest_filter=Conservation.*");
  conserve::World world(seed);
  for (const std::string& problem : world.Run()) ADD_FAILURE() << problem;
  return world.Trace();
}

TEST(Conservation, HoldsInRandomTopologiesWithFaultsRestartsChangesReplaysAndRedrives) {
  if (const char* only = std::getenv("TRIBUTARY_SIM_SEED")) {
    RunSeed(std::strtoull(only, nullptr, 10));
    return;
  }
  for (std::uint64_t seed = 0; seed < test::Seeds(1'000) && !HasFailure(); ++seed) RunSeed(seed);
}

TEST(Conservation, TheSameSeedGivesTheSameTrace) {
  for (std::uint64_t seed = 0; seed < test::Scaled(40) && !HasFailure(); ++seed) {
    ASSERT_EQ(RunSeed(seed), RunSeed(seed)) << "seed " << seed;
  }
}

}  // namespace
}  // namespace tributary::deliver
