// The one function that turns an Error into an HTTP answer. Every error body of the program has
// the string fields `code` and `message`: an SDK that cannot read them takes the answer for a
// passing fault and sends everything again (collection-api.md section 4). Pure; thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "http/message.h"

namespace tributary::http {

inline constexpr int kRetryAfterSeconds = 1;  // of 503 and 507 when nothing better is known

// kInvalid 400 · kDenied 403 · kNotFound 404 · kConflict 409 · kTooLarge 413 · kExhausted 507 ·
// kUnavailable 503 · kDeadline 504 · kUnsupported 400 · the rest 500, whose sentence stays inside
// (it may name files). 503 and 507 carry Retry-After. The body has `field` when the error does.
Response ErrorResponse(const Error& error);

// For who asks without saying who they are: 401 with a WWW-Authenticate challenge.
Response UnauthorizedResponse(std::string_view message, std::string_view challenge = "Bearer");

// The same body under a status chosen by the caller.
Response ErrorResponse(int status, std::string_view code, std::string_view message,
                       std::string_view field = {});

}  // namespace tributary::http
