// The number of each source: given once by name, kept in the store, never reused, because every
// record header carries it.
#pragma once

#include <memory>

#include "config/settings.h"
#include "ingest/source_directory.h"
#include "store/store.h"

namespace tributary::app {

// The sources of the configuration with their numbers; new names get one, durably.
Result<std::shared_ptr<const ingest::SourceSnapshot>> AssignSourceIds(
    store::Store& store, const config::Settings& settings);

}  // namespace tributary::app
