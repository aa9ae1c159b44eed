// The base of destinations that speak HTTP: one request per event, sent through the loop's client.
// A type says how a request looks (Encode) and, if it must, what an answer means (Judge).
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "codec/standard_webhooks.h"
#include "deliver/destination.h"

namespace tributary::deliver {

// What a status means (downstream-dispatch.md, section 5): 2xx delivered; those of `retried` and
// network errors retried, after Retry-After if the receiver gave one; 410 disables; everything
// else, redirects included, is final. `now_us` turns a Retry-After date into a span.
Outcome JudgeResponse(const http::ClientResponse& response, UnixMicros now_us,
                      const RetriedStatuses& retried);

// Retry-After: seconds or an HTTP date. Clamped to [0, kRetryAfterMax]; nullopt when it is
// negative, no number and no date: the schedule decides then.
std::optional<MonoNanos> ParseRetryAfter(std::string_view value, UnixMicros now_us);

// The header of a replay's requests: its id.
inline constexpr std::string_view kReplayHeader = "Tributary-Replay";

// What must be fetched before a request can be sent: an access token. Belongs to one destination
// instance and ends with it; its loop's thread only.
class TokenSource {
 public:
  virtual ~TokenSource() = default;
  // Exactly once: a token perhaps inside the call, an error never. Not after destruction.
  using Done = std::move_only_function<void(Result<std::string>)>;
  virtual void Get(Done done) = 0;
  // The receiver answered 401 to it: it is not given out again.
  virtual void Refused(const std::string& token) = 0;
};

class HttpDestination : public Destination {
 public:
  explicit HttpDestination(const DestinationContext& context) : context_(context) {}
  ~HttpDestination() override;

  // An error is final for that event and becomes the dead letter's reason. Headers that every type
  // must send (replays, notices) are added to what it says.
  virtual Result<http::ClientRequest> Encode(const Delivery& delivery) const = 0;
  virtual Outcome Judge(const http::ClientResponse& response, UnixMicros now_us) const {
    return JudgeResponse(response, now_us, context_.retried);
  }

  // With one, each request carries `Authorization: Bearer …`. No token: the attempt ends as a retry
  // with the reason. A 401 has the token replaced and the request repeated, once, as part of the
  // same attempt and its timeout.
  virtual TokenSource* tokens() { return nullptr; }

  void Deliver(const Delivery& delivery, Done done) final;
  Result<std::optional<http::ClientRequest>> Preview(const Delivery& delivery) const final {
    TRY_ASSIGN(http::ClientRequest request, Marked(delivery));
    return request;
  }

 protected:
  const DestinationContext& context() const { return context_; }

 private:
  Result<http::ClientRequest> Marked(const Delivery& delivery) const;
  void Authorize(std::uint64_t attempt);
  void SendWith(std::uint64_t attempt, const std::string& token);
  void Send(std::uint64_t attempt, http::ClientRequest request);
  void OnAnswer(std::uint64_t attempt, const http::ClientResponse& response);
  void Finish(std::uint64_t attempt, Outcome outcome);

  struct Pending {
    Done done;
    std::uint32_t members = 1;
    http::Client::Id request = 0;           // 0: waits for a token
    std::vector<std::string> secrets = {};  // of what was sent: never shown when they come back
    // With a token source: what is sent once there is a token, and again after a 401.
    http::ClientRequest draft = {};
    MonoNanos deadline = 0;
    std::string token = {};
    bool repeated = false;
  };
  DestinationContext context_;
  std::unordered_map<std::uint64_t, Pending> pending_;
  std::uint64_t next_ = 1;
  std::shared_ptr<char> alive_ = std::make_shared<char>();  // asked by posted tasks
};

// Headers that a user may not set (downstream-dispatch.md, section 6): framing, hop-by-hop and
// signature headers, our own, and anything with CR, LF, NUL or a name that is no token. kInvalid
// with the field "headers.NAME".
Status CheckCustomHeaders(const std::map<std::string, config::Secret>& headers);

// webhook-id and webhook-timestamp of Standard Webhooks 1.0.0, and with a signer webhook-signature
// over `body`.
void AddWebhookHeaders(std::string_view webhook_id, UnixMicros now_us, std::string_view body,
                       codec::WebhookSigner* signer, std::vector<http::Header>& headers);

}  // namespace tributary::deliver
