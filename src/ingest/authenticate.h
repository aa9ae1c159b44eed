// Which source does a request belong to? Collection-api.md section 2: the Basic user name, else
// `X-Write-Key`, else the query's `writeKey`, else the body's. The first place that names a key
// decides, also when a later one names another; an unknown key is refused there and then, since no
// SDK repeats a 401 and a wrong key should be noticed.
//
// Functions of a snapshot; SourceOfKey on the directory's loop.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "http/message.h"
#include "ingest/source_directory.h"

namespace tributary::ingest {

struct Refusal {
  int status = 401;
  std::string_view code;
  std::string_view message;
};
inline constexpr Refusal kKeyMissing{
    401, "write_key_missing",
    "no write key: send it as the user name of Basic authorization or as 'writeKey'"};
inline constexpr Refusal kKeyUnknown{401, "invalid_write_key", "the write key is not known"};
inline constexpr Refusal kSourceDisabled{404, "source_disabled", "the source is disabled"};

inline constexpr Refusal kScopeMissing{403, "write_key_scope",
                                       "the scopes of the write key do not have this"};

// The key named outside of the body; empty when there is none. A Bearer token carries no key.
std::string KeyFromHead(const http::Request& request);

// Never nullptr in it. A key that is disabled or whose time is over is as unknown as any other.
std::expected<KeyMatch, Refusal> SourceOfKey(const SourceDirectory& sources,
                                             std::string_view write_key, UnixMicros now_us);

// The source of a request without any key, where the door allows that (the seed's POST /track): the
// one declared `keyless`; on a loopback listener, where none is, the source `demo`, else the first
// enabled one. nullptr: a key is needed. Never a disabled source.
const SourceSpec* KeylessSource(const SourceSnapshot& sources, bool loopback);

// Who is at the other end, for context.ip. Behind a proxy on this machine that is the last address
// of X-Forwarded-For (the one that the proxy saw itself); else the connection's.
std::string_view ClientAddress(const http::Request& request);

}  // namespace tributary::ingest
