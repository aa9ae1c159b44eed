// Registers the destination types of the simulation in this test program.
#include "deliver/sim_kit_test.h"

namespace tributary::deliver {
namespace {

const DestinationRegistration kSim = Register<SimDestination>("sim", "A simulated receiver.");
const DestinationRegistration kSink = Register<SinkDestination>("sink", "Takes all at once.");

}  // namespace
}  // namespace tributary::deliver
