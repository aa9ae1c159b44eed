// What of a request may be a secret, and how it is kept out of what is remembered of the answer:
// receivers echo what they were sent, above all when they refuse it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "http/client.h"

namespace tributary::deliver {

// Shorter values are not looked for in answers: they would be found in the middle of words.
inline constexpr std::size_t kSecretBytesMin = 6;

// Headers that Tributary writes by itself. Every other one may hold a secret: a user's own headers,
// and what authorizes.
bool MayBeShown(std::string_view header_name);

// The values of the other headers, and the parts of an `Authorization` that are secrets on their
// own: the token after the scheme, the password in a Basic one. Longest first, at least
// kSecretBytesMin each; empty for a request that carries none.
std::vector<std::string> SecretsOf(const http::ClientRequest& request);

// Puts "***" in place of each of them, in the body, the headers and the error.
void Redact(const std::vector<std::string>& secrets, http::ClientResponse& response);

}  // namespace tributary::deliver
