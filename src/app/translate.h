// From what was configured to what each part of the program wants to be told.
#pragma once

#include <string>
#include <vector>

#include "config/settings.h"
#include "control/access.h"
#include "dedupe/dedupe.h"
#include "deliver/delivery_log.h"
#include "deliver/engine.h"
#include "destinations/jq_programs.h"
#include "http/client.h"
#include "http/server.h"
#include "ingest/source_directory.h"
#include "log/open.h"

namespace tributary::app {

log::LogOptions LogOptionsOf(const config::Settings& settings);
dedupe::DedupeOptions DedupeOptionsOf(const config::Settings& settings);
http::ServerLimits ServerLimitsOf(const config::Settings& settings);
http::ClientOptions ClientOptionsOf(const config::Settings& settings, const std::string& version);
http::EgressOptions EgressOptionsOf(const config::Settings& settings);
deliver::DeliveryLogOptions DeliveryLogOptionsOf(const config::Settings& settings);
deliver::EngineOptions EngineOptionsOf(const config::Settings& settings, const std::string& version,
                                       const std::string& instance);
destinations::JqProgramsOptions ProgramOptionsOf(const config::Settings& settings);
std::vector<control::AccessToken> TokensOf(const config::Settings& settings);
std::string_view SyncModeName(config::SyncMode mode);

}  // namespace tributary::app
