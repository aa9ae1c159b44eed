// Pairs that wait in a batch, as the store has them: one row for all members, by the batch's id.
// May block. Any thread.
#pragma once

#include <vector>

#include "deliver/stored.h"
#include "store/store.h"

namespace tributary::deliver {

// Offsets of a lane's pairs below `end` that were tried and wait for the next attempt of their
// batch: the newest `most`, the newest first. Reads the rows of all batches that the lane has.
Result<std::vector<log::Offset>> TriedInBatches(const store::Store& store, LaneId lane,
                                                log::Partition partition, log::Offset end,
                                                std::size_t most);

}  // namespace tributary::deliver
