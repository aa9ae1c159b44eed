// The way of a collection request from its bytes to records in the intake's batch: whose it is,
// inflating, parsing, judging, splicing. What the client is told is the caller's affair; nothing is
// durable yet when this returns.
//
// One per source instance, so one loop's thread only. Refused requests leave nothing in the batch.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "event/canonicalizer.h"
#include "event/json_document.h"
#include "http/message.h"
#include "ingest/source.h"
#include "ingest/source_metrics.h"

namespace tributary::sources {

// What a path says about its body.
struct Call {
  bool batch = false;                      // an envelope around `batch`, else one event
  event::Type type = event::Type::kOther;  // of a single event that does not say itself
  bool historical = false;                 // an import: destinations must ask for it
};

struct Admitted {
  std::size_t accepted = 0;  // records added to the batch
  // Members of a batch that were not taken: "{…},{…}", empty when all were. Listed up to
  // kRejectedListedMax; `rejected` counts all.
  std::size_t rejected = 0;
  std::string rejected_list;
};
inline constexpr std::size_t kRejectedListedMax = kBatchEventsMax;

class Collector {
 public:
  explicit Collector(const ingest::SourceContext& context);

  // A refusal is the whole answer, without CORS headers. `body` is as sent, gzip or not.
  std::expected<Admitted, http::Response> Admit(const http::Request& request, const Call& call,
                                                std::string_view body);
  ingest::SourceMetrics& metrics() { return metrics_; }

 private:
  using Outcome = std::expected<Admitted, http::Response>;
  std::expected<ingest::KeyMatch, http::Response> SourceOf(std::string_view key);
  // Empty: no key outside of the body.
  std::expected<ingest::KeyMatch, http::Response> SourceOfHead(const http::Request& request);
  std::expected<ingest::KeyMatch, http::Response> SourceOfBody(event::JsonValue root,
                                                               const Call& call);
  std::expected<std::string_view, http::Response> Inflated(const http::Request& request,
                                                           std::string_view body,
                                                           std::size_t bytes_max);
  void Begin(const http::Request& request, const Call& call, const ingest::SourceSpec& source);
  Outcome AdmitOne(const ingest::SourceSpec& source, const Call& call, event::JsonValue root,
                   log::Batch& batch);
  Outcome AdmitBatch(const ingest::SourceSpec& source, const Call& call, event::JsonValue root,
                     log::Batch& batch);
  std::optional<event::Rejection> AddEvent(const ingest::SourceSpec& source, const Call& call,
                                           event::JsonValue event, log::Batch& batch);
  void Reject(const ingest::SourceSpec& source, std::size_t index,
              const event::Rejection& rejection, Admitted& admitted);
  std::unexpected<http::Response> TooLarge(std::size_t bytes_max);
  std::unexpected<http::Response> Refuse(int status, std::string_view code,
                                         std::string_view message);

  const ingest::SourceContext context_;
  ingest::SourceMetrics metrics_;
  event::JsonDocument document_;
  event::Canonicalizer canonicalizer_;
  std::string inflated_;
  UnixMicros received_at_us_ = 0;
  bool notice_ = false;                            // another Tributary's: deliver/notice.h
  ingest::KeyScopes scopes_ = ingest::kAllScopes;  // of the key of this request
};

}  // namespace tributary::sources
