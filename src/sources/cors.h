// What browsers need to be told (collection-api.md section 6). Every real answer of a collection
// path carries it, also errors: without it a page sees a network error, and its SDK sends again.
//
// The origin is echoed, not "*", because beacons come with cookies. Any origin may send: the write
// key in the page says which source it is, and no answer holds anything secret.
#pragma once

#include "http/message.h"
#include "http/router.h"
#include "ingest/source.h"

namespace tributary::sources {

// Adds the headers if the request names an origin.
void AddCorsHeaders(const http::Request& request, http::Response& response);

// The same for an answer given later, when the request is gone.
ingest::Intake::OnFailure WithCors(const http::Request& request,
                                   http::Response (*on_failure)(const Error&));

// Adds the entry that answers preflights of `pattern`.
void AddPreflight(http::Router& router, std::string pattern);

}  // namespace tributary::sources
