#include "ingest/authenticate.h"

#include "codec/base64.h"

namespace tributary::ingest {
namespace {

char Lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
}

// "Basic" in any letter case and at least one space; what follows, or empty.
std::string_view BasicCredentials(std::string_view authorization) {
  constexpr std::string_view kScheme = "basic ";
  if (authorization.size() < kScheme.size()) return {};
  for (std::size_t i = 0; i < kScheme.size(); ++i) {
    if (Lower(authorization[i]) != kScheme[i]) return {};
  }
  return authorization.substr(kScheme.size());
}

std::string BasicUser(std::string_view authorization) {
  const std::string_view credentials = BasicCredentials(authorization);
  if (credentials.empty()) return {};
  auto decoded = codec::Base64Decode(credentials, codec::Base64::kLenient);
  if (!decoded) return {};
  // Without a colon the whole value is the key, as Segment accepts it.
  return decoded->substr(0, decoded->find(':'));
}

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

}  // namespace

std::string KeyFromHead(const http::Request& request) {
  if (std::string user = BasicUser(request.header("Authorization")); !user.empty()) return user;
  if (const auto header = request.header("X-Write-Key"); !header.empty()) {
    return std::string(header);
  }
  std::string value;
  for (const std::string_view name : {"writeKey", "writekey"}) {
    if (http::QueryParameter(request.query, name, value) && !value.empty()) return value;
  }
  return {};
}

std::expected<KeyMatch, Refusal> SourceOfKey(const SourceDirectory& sources,
                                             std::string_view write_key, UnixMicros now_us) {
  if (write_key.empty()) return std::unexpected(kKeyMissing);
  const KeyMatch match = sources.FindByKey(write_key);
  if (match.source == nullptr || !match.key->opens(now_us)) return std::unexpected(kKeyUnknown);
  if (!match.source->takes()) return std::unexpected(kSourceDisabled);
  return match;
}

const SourceSpec* KeylessSource(const SourceSnapshot& sources, bool loopback) {
  if (const SourceSpec* declared = sources.keyless()) return declared->takes() ? declared : nullptr;
  if (!loopback) return nullptr;
  const SourceSpec* demo = sources.FindByName("demo");
  if (demo != nullptr && demo->takes()) return demo;
  for (const SourceSpec& source : sources.all()) {
    if (source.takes()) return &source;
  }
  return nullptr;
}

std::string_view ClientAddress(const http::Request& request) {
  if (!request.peer_is_loopback) return request.peer;
  const std::string_view forwarded = request.header("X-Forwarded-For");
  if (forwarded.empty()) return request.peer;
  const std::size_t comma = forwarded.rfind(',');
  const std::string_view last =
      Trimmed(comma == std::string_view::npos ? forwarded : forwarded.substr(comma + 1));
  return last.empty() ? request.peer : last;
}

}  // namespace tributary::ingest
