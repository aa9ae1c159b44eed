#pragma once

// Whole HTTP requests, made before the measurement. Sending one costs the generator a patch of its
// message ids and times (about 100 bytes each event), no formatting and no copy: a generator that
// works harder than the server would measure itself. Thread: one.

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bench/support/clock.h"
#include "bench/support/event_maker.h"
#include "bench/support/random.h"
#include "bench/support/socket.h"

namespace tributary::bench {

// Where message ids come from. Every id given is unique.
class MessageIds {
 public:
  virtual ~MessageIds() = default;
  // Writes kUuidBytes to out; `started_ns` is when the request it goes into began.
  virtual void Write(char* out, int64_t started_ns) = 0;
};

// Random version 4 UUIDs; two runs share none.
class RandomIds final : public MessageIds {
 public:
  RandomIds();
  void Write(char* out, int64_t started_ns) override;

 private:
  Random random_;
};

// A request that can be sent any number of times, one after the other.
struct PooledRequest {
  std::string bytes;
  std::vector<uint32_t> message_ids;  // positions in bytes
  std::vector<uint32_t> timestamps;
  std::vector<uint32_t> sent_ats;

  std::string_view MessageId(size_t i) const {
    return std::string_view(bytes).substr(message_ids[i], kUuidBytes);
  }
};

class RequestPool {
 public:
  struct Options {
    size_t batch = 0;  // 0: single events to /v1/track; n: n events to /v1/batch
    size_t connections = 1;
    std::string write_key = "demo";
    uint64_t seed = 1;
  };

  // `ids` must outlive the pool.
  RequestPool(const Options& options, const Address& server, MessageIds* ids);

  // A request with fresh ids and times. It belongs to the caller until Return, also its bytes.
  PooledRequest* Take(int64_t started_ns);
  void Return(PooledRequest* request) { idle_.push_back(request); }

  size_t events_per_request() const { return events_per_request_; }

 private:
  // Enough that no event repeats within what one compression block or one commit sees.
  static constexpr size_t kEventsAtLeast = 8192;
  static constexpr size_t kSparePerConnection = 2;

  PooledRequest MakeSingle(const EventTemplate& event) const;
  PooledRequest MakeBatch(const EventTemplate* events, size_t count) const;
  std::string Head(std::string_view path, size_t body_bytes) const;

  std::string server_;
  std::string authorization_;
  MessageIds* ids_;
  size_t events_per_request_;
  WallStamp wall_;
  std::vector<std::unique_ptr<PooledRequest>> owned_;
  std::deque<PooledRequest*> idle_;
};

}  // namespace tributary::bench
