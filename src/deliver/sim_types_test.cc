// Registers the destination types of the simulation in this test program.
#include "deliver/sim_kit_test.h"

namespace tributary::deliver {
namespace {

// As "sim", but it takes one event at a time.
struct SingleSimDestination final : SimDestination {
  static constexpr bool kBatches = false;
  using SimDestination::SimDestination;
};

const DestinationRegistration kSingle =
    Register<SingleSimDestination>("sim_single", "A simulated receiver of single events.");
const DestinationRegistration kSim = Register<SimDestination>("sim", "A simulated receiver.");
const DestinationRegistration kSink = Register<SinkDestination>("sink", "Takes all at once.");

}  // namespace
}  // namespace tributary::deliver
