// Sends the lines of a file as events: NDJSON in, POST /v1/batch out, one batch after another, so
// that the events of one user arrive in the order of the file.
//
// What the server cannot take for the moment (429, 503, 507: then nothing of the batch was taken)
// is sent again after its Retry-After. Any other refusal of a whole batch ends the run and names
// the first line that was not accepted. When the connection broke, the server may have taken that
// batch all the same; events with a messageId of their own are then dropped as repeats, others are
// there twice. Lines are sent as they are, never rebuilt. One thread.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/limits.h"
#include "cli/api.h"
#include "cli/input.h"
#include "event/json_document.h"

namespace tributary::cli {

inline constexpr int kBatchAttemptsMax = 60;
inline constexpr MonoNanos kRetryAfterMax = 30 * kNanosPerSecond;

struct BatchOptions {
  std::string write_key;
  std::size_t events_max = 500;
  std::size_t bytes_max = kBatchBytesMax;  // of a body; a longer line goes alone
  std::uint64_t first_line = 1;            // earlier ones are passed over
};

struct BatchTotals {
  std::uint64_t accepted = 0;
  std::uint64_t rejected = 0;
};

class BatchSender {
 public:
  // For each line that was refused, and after each batch.
  using OnRejected = std::function<void(std::uint64_t line, const std::string& why)>;
  using OnProgress = std::function<void(const BatchTotals& totals)>;
  BatchSender(Api& api, BatchOptions options, OnRejected on_rejected, OnProgress on_progress);

  // The error says where to go on. totals() is true in any case.
  Status SendAll(LineReader& lines);
  const BatchTotals& totals() const { return totals_; }

 private:
  Status Add(const LineReader::Line& line);
  Status SendBatch();
  Result<ApiAnswer> CallPatiently(const ApiCall& call);
  Status Count(const ApiAnswer& answer);
  void Reject(std::uint64_t line, const std::string& why);
  std::unexpected<Error> Stopped(const std::string& why) const;

  Api& api_;
  BatchOptions options_;
  OnRejected on_rejected_;
  OnProgress on_progress_;
  BatchTotals totals_;
  event::JsonDocument document_;
  std::string body_;                         // {"batch":[…
  std::vector<std::uint64_t> line_numbers_;  // of the events in it
};

}  // namespace tributary::cli
