// What browsers need to be told before they let a page call us (collection-api.md section 6).
// Pure; for the doors that pages of other sites may use, and for no others.
#pragma once

#include "http/message.h"

namespace tributary::http {

// 204 to a preflight: the asking origin, the usual methods, exactly the headers asked for. A
// literal `*` would not cover Authorization.
Response CorsPreflight(const Request& request);

// The headers that every real answer needs as well, errors too: without them the browser reports a
// network fault and the SDK sends again. Nothing is added when the request has no Origin.
void AddCorsHeaders(const Request& request, Response& response);

}  // namespace tributary::http
