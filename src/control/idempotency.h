// `Idempotency-Key` (IETF draft): the answer of a POST is remembered under the key that the caller
// gave it, so that a repeat is answered the same and done once.
//
// At keys::Idempotency(hash of who and key): the byte 1 and {"at_us","fingerprint","status",
// "answer"}; the answer is sealed, since it can show a new write key. A row is written when the
// request begins, without a sync of its own (the sync of what the request does covers it), and
// again, with its answer, before the answer is sent. A request whose process died in between has
// a row without an answer: nobody knows whether it was done, and its repeat is told so.
//
// Bounds: kIdempotencyAge; kIdempotencyRowsMax rows and kIdempotencyBytesMax bytes, past which the
// oldest are forgotten. Thread-safe; Load, Begin and Replay may block.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "codec/seal.h"
#include "os/clock.h"
#include "store/store.h"

namespace tributary::control {

inline constexpr UnixMicros kIdempotencyAge = 12LL * 3600 * kMicrosPerSecond;
inline constexpr std::size_t kIdempotencyRowsMax = 10'000;
inline constexpr std::size_t kIdempotencyBytesMax = 32 * 1024 * 1024;
inline constexpr std::size_t kIdempotencyKeyBytesMax = 255;
inline constexpr std::size_t kIdempotencyRowBytes = 128;  // of the limit, besides what is stored

struct RememberedAnswer {
  int status = 0;
  std::string content_type;
  std::string body;
};

class Idempotency {
 public:
  struct World {
    store::Store* store = nullptr;
    os::Clock* clock = nullptr;
    const codec::Sealer* sealer = nullptr;
    std::size_t rows_max = kIdempotencyRowsMax;
    std::size_t bytes_max = kIdempotencyBytesMax;
  };
  explicit Idempotency(const World& world) : world_(world) {}
  Status Load();

  enum class State {
    kNew,       // it may be done now; End or Drop follows
    kRunning,   // it is being done: ask again later
    kAnswered,  // Replay has the answer
    kUnknown,   // it was being done when the process ended, or its answer could not be kept
    kOther,     // the key belongs to another request
  };
  // `fingerprint`: of everything that makes two requests the same. kNew adds a row to the batch.
  State Begin(const std::string& row, const std::string& fingerprint, store::Batch& batch);
  // kDenied or kCorrupt: the answer is there and cannot be read (the key file was changed).
  Result<RememberedAnswer> Replay(const std::string& row) const;
  // Adds the answer to the batch; Ended() then says whether that could be written: repeats have it,
  // or are told that nobody knows.
  void End(const std::string& row, const std::string& fingerprint, const RememberedAnswer& answer,
           store::Batch& batch);
  void Ended(const std::string& row, bool written);
  void Drop(const std::string& row, store::Batch& batch);

  // The name of the row: what `who` calls `key`.
  static std::string RowOf(std::string_view who, std::string_view key);

 private:
  struct Row {
    UnixMicros at_us = 0;
    std::string fingerprint;
    State state = State::kRunning;
    std::size_t bytes = 0;
  };
  using Rows = std::map<std::string, Row>;
  void ForgetLocked(UnixMicros now_us, store::Batch& batch);
  void EraseLocked(Rows::iterator row, store::Batch* batch);

  const World world_;
  std::mutex mutex_;
  Rows rows_;
  std::multimap<UnixMicros, std::string> by_age_;
  std::size_t bytes_ = 0;
};

}  // namespace tributary::control
