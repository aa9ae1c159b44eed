// A sub-door of the engine: one real request of a destination, outside of its lane. No cursor, row,
// count, breaker or rate limit hears of it, and it is made although the destination is paused.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/result.h"
#include "log/record.h"

namespace tributary::deliver {

inline constexpr std::size_t kTrialsMax = 16;  // at one time

struct TrialEvent {
  std::string payload;     // the event's JSON; empty: a sample is made
  std::string message_id;  // empty: that of a sample
  log::SourceId source = 0;
  std::uint8_t flags = 0;  // of its record
};

class Trials {
 public:
  virtual ~Trials() = default;

  // Any thread. Answers `{"destination","webhook_id","event","request":{"method","url","headers",
  // "body"},"response":{"status","headers","body"}|null,"verdict":"delivered|retry|rejected|
  // disabled","error":null|"…","duration_ms"}` once the attempt has ended, on any thread. Header
  // values that may be secret are "***"; a body that is no UTF-8 comes as "body_base64". `request`
  // is null for types that send none. kNotFound: no such destination; kUnavailable: kTrialsMax
  // are under way. While closing it may never be called.
  virtual void Try(std::string name, TrialEvent event,
                   std::move_only_function<void(Result<std::string>)> done) = 0;
};

}  // namespace tributary::deliver
