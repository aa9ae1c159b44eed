// CORS (http/cors.h) as sources need it: for answers that are given later, and for preflights. Any
// origin may send: the write key in the page says which source it is, and no answer of a collection
// path holds anything secret.
#pragma once

#include <string>

#include "http/cors.h"
#include "http/router.h"
#include "ingest/source.h"

namespace tributary::sources {

using http::AddCorsHeaders;

// `on_failure` with the headers of `request`, which may be gone by then.
ingest::Intake::OnFailure WithCors(const http::Request& request,
                                   http::Response (*on_failure)(const Error&));

// Route::refuse of a collection path: a page must be able to read this too, and a body too large is
// 400, as Segment says (every SDK takes it as final).
http::Response RefuseWithCors(const http::Request& request, int status, std::string_view code,
                              std::string_view message);

// Adds the entry that answers preflights of `pattern`.
void AddPreflight(http::Router& router, std::string pattern);

}  // namespace tributary::sources
