// The shapes of what the API shows in more than one place, for the OpenAPI document. A test holds
// every answer of a running server against them (tests/e2e/test_control_openapi.py).
#pragma once

#include <vector>

#include "config/json_schema.h"

namespace tributary::control {

namespace schema = config::schema;

namespace shapes {

// `options`: Engine::options().
schema::Schema Destination(const std::vector<config::OptionSpec>& options);
// What a GET showed may be sent back whole: what is only shown is passed over.
schema::Schema DestinationToReplace(const std::vector<config::OptionSpec>& options);
schema::Schema Stats();
schema::Schema Source();
schema::Schema WriteKey();
schema::Schema Event();  // an event in lists and tails
schema::Schema Trace();
schema::Schema Delivery();
schema::Schema Replay();
schema::Schema Backup();
schema::Schema NewReplay();
schema::Schema Rotation();  // the body of …/rotate-secret
schema::Schema Error();     // of every error, unless a route says otherwise
// The simple API's {"error": "…"}.
schema::Schema SimpleError();

}  // namespace shapes
}  // namespace tributary::control
