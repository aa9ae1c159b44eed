#include "deliver/sent_secrets.h"

#include <algorithm>
#include <array>

#include "base/ascii.h"
#include "codec/base64.h"
#include "config/option.h"

namespace tributary::deliver {
namespace {

void Add(std::vector<std::string>& secrets, std::string_view value) {
  if (value.size() >= kSecretBytesMin) secrets.emplace_back(value);
}

// "Bearer TOKEN" is echoed whole, or as the token alone; a Basic one also as what it stands for.
void AddCredentials(std::vector<std::string>& secrets, std::string_view value) {
  const std::size_t space = value.find(' ');
  if (space == std::string_view::npos) return;
  const std::string_view credentials = value.substr(space + 1);
  Add(secrets, credentials);
  if (AsciiLower(value.substr(0, space)) != "basic") return;
  const auto plain = codec::Base64Decode(credentials, codec::Base64::kLenient);
  if (!plain) return;
  const std::size_t colon = plain->find(':');
  if (colon == std::string::npos) return;
  const std::string_view password = std::string_view(*plain).substr(colon + 1);
  // A write key stands where the user's name would, with no password.
  Add(secrets, password.empty() ? std::string_view(*plain).substr(0, colon) : password);
}

void Redact(const std::vector<std::string>& secrets, std::string& text) {
  for (const std::string& secret : secrets) {
    for (std::size_t at = text.find(secret); at != std::string::npos; at = text.find(secret, at)) {
      text.replace(at, secret.size(), config::kRedacted);
      at += config::kRedacted.size();
    }
  }
}

}  // namespace

bool MayBeShown(std::string_view header_name) {
  static constexpr std::array<std::string_view, 9> kOurs{
      "accept",        "content-type",      "content-encoding",  "user-agent",
      "webhook-id",    "webhook-timestamp", "webhook-signature", "tributary-replay",
      "content-length"};
  return std::ranges::find(kOurs, AsciiLower(header_name)) != kOurs.end();
}

std::vector<std::string> SecretsOf(const http::ClientRequest& request) {
  std::vector<std::string> secrets;
  for (const auto& [name, value] : request.headers) {
    if (MayBeShown(name)) continue;
    Add(secrets, value);
    if (AsciiLower(name) == "authorization") AddCredentials(secrets, value);
  }
  // A secret that is part of another one would leave the rest of it.
  std::ranges::sort(secrets, std::ranges::greater{}, &std::string::size);
  return secrets;
}

void Redact(const std::vector<std::string>& secrets, http::ClientResponse& response) {
  if (secrets.empty()) return;
  Redact(secrets, response.body);
  Redact(secrets, response.error);
  for (auto& [name, value] : response.headers) Redact(secrets, value);
}

}  // namespace tributary::deliver
