// Who changed what, when, from what to what: one record of every change that the control API made.
//
// At keys::Audit(at_us, sequence): the byte 1 and the record as the API shows it. A record is
// written before its change, without a sync of its own: the sync of the change covers it, because
// the store keeps batches in order. So there is no durable change without a record; one whose
// process died in between has no `status`. What was refused (4xx) leaves no record.
//
// Secrets: `before` and `after` are what the API shows, with "***" for every secret; of other
// bodies whatever has the name of a secret is left out (Redacted).
//
// Bounds: the newest kAuditRecordsMax records; a text of more than kAuditTextBytesMax is replaced
// by its size. Thread-safe; everything but the constructor may block.
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "os/clock.h"
#include "store/store.h"

namespace tributary::control {

inline constexpr std::size_t kAuditRecordsMax = 100'000;
inline constexpr std::size_t kAuditTextBytesMax = 64 * 1024;

struct AuditRecord {
  std::string who;      // the token's name, or "local"
  std::string address;  // the other end of the connection
  std::string action;   // "PATCH /api/v1/destinations/{name}"
  std::string path;
  std::string kind;  // "destination", "source"; empty for the rest
  std::string name;
  std::string request;  // JSON texts, or empty: null
  std::string before;
  std::string after;
  int status = 0;  // 0: not known (yet)
};

class AuditLog {
 public:
  AuditLog(store::Store& store, os::Clock& clock, std::size_t records_max = kAuditRecordsMax)
      : store_(store), clock_(clock), records_max_(records_max) {}

  struct Place {
    UnixMicros at_us = 0;
    std::uint32_t sequence = 0;
  };
  // Each adds to the batch what is to be written.
  Place Begin(const AuditRecord& record, store::Batch& batch);
  void End(Place place, const AuditRecord& record, store::Batch& batch) const;
  void Drop(Place place, store::Batch& batch);

  struct Page {
    std::vector<std::string> data;  // newest first
    std::optional<std::string> next_cursor;
  };
  Result<Page> List(std::string_view cursor, std::size_t limit) const;

 private:
  void TrimLocked(store::Batch& batch);

  store::Store& store_;
  os::Clock& clock_;
  const std::size_t records_max_;
  std::mutex mutex_;
  std::optional<std::size_t> count_;  // nullopt: not counted yet
  Place last_;
};

// A body as it may be kept: without secrets, by the names that they have, and header values. Any
// text at all may be asked about; of what is too long the size is kept, of what is no sound JSON,
// or nested deeper than anything that is taken, nothing.
std::string Redacted(std::string_view json_text);

}  // namespace tributary::control
