// What `tributary receive` prints of a request, apart from the network.
//
//   09:33:48.440  POST /hook  track "Order Completed"  msg_2f…  signature valid
//     {
//       "type": "track",
//       …
//
// Everything that came from outside is escaped, and a body's lines are indented, so that no request
// can print a line that looks like another one's. One thread.
#pragma once

#include <deque>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/hash.h"
#include "base/time.h"
#include "codec/standard_webhooks.h"
#include "http/message.h"

namespace tributary::cli {

inline constexpr std::size_t kRememberedIdsMax = 10'000;
inline constexpr std::size_t kLineFieldBytesMax = 256;  // of each part of the line

// The newest kRememberedIdsMax ids.
class SeenIds {
 public:
  // True when it was seen before.
  bool Repeats(std::string_view id);

 private:
  std::set<Hash128> known_;
  std::deque<Hash128> order_;
};

struct ReceiveFormat {
  bool raw = false;                        // the body as it came, JSON or not
  std::size_t body_bytes_max = 16 * 1024;  // shown
};

class ReceiveReport {
 public:
  // Without a verifier signatures are not judged.
  ReceiveReport(ReceiveFormat format, std::optional<codec::WebhookVerifier> verifier)
      : format_(format), verifier_(std::move(verifier)) {}

  // Ends in a newline.
  std::string Describe(const http::Request& request, UnixMicros now_us);

 private:
  std::string Signature(const http::Request& request, UnixMicros now_us);

  ReceiveFormat format_;
  std::optional<codec::WebhookVerifier> verifier_;
  SeenIds seen_;
};

// `track "Order Completed"`, `3 events`, or empty when the body does not say.
std::string EventLabel(std::string_view body);
// Indented by two spaces, with what was left out; empty for an empty body.
std::string BodyBlock(std::string_view body, const ReceiveFormat& format);

}  // namespace tributary::cli
