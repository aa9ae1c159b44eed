#pragma once

// Drives connections against the collection API: closed loop (each connection sends its next
// request as soon as the last one is answered) or a fixed rate. A request counts only when the
// answer is exactly 200 with exactly the success body; everything else is counted by what it was.
//
// At a fixed rate a request is due at its time whether or not a connection is free, and if it had
// to wait for one its latency counts from when it was due: a server that stalls cannot hide the
// requests that it kept from being sent ("coordinated omission").
//
// Lives on somebody's Loop; one request in flight on each connection. Thread: the loop's.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "bench/support/histogram.h"
#include "bench/support/loop.h"
#include "bench/support/request_pool.h"
#include "bench/support/socket.h"

namespace tributary::bench {

struct SendResults {
  Histogram latency;
  uint64_t accepted_requests = 0;
  std::map<int, uint64_t> other_statuses;
  uint64_t wrong_bodies = 0;  // 200, but not the success body (for instance with rejected events)
  uint64_t broken_answers = 0;
  uint64_t disconnects = 0;
};

class Sender {
 public:
  struct Options {
    Address server;
    size_t connections = 1;
    double rate = 0;            // requests in a second over all connections; 0: closed loop
    uint64_t requests_max = 0;  // stop after so many; 0: until Stop
  };
  using OnAccepted = std::function<void(const PooledRequest&)>;

  // `loop` and `pool` must outlive the sender. Connects now; Die when the server refuses.
  Sender(Loop* loop, RequestPool* pool, const Options& options);
  ~Sender();

  void set_on_accepted(OnAccepted on_accepted) { on_accepted_ = std::move(on_accepted); }

  void Start();
  // Starts what is due; call once in each turn. Gives when it wants to be called again, at the
  // latest.
  int64_t StartDue();
  // No request is started any more; what is in flight still counts.
  void Stop() { stopped_ = true; }
  // True when nothing more will be started and every answer has come.
  bool Finished() const;

  const SendResults& results() const { return results_; }
  // Starts counting anew (the end of the warm-up).
  void ForgetResults() { results_ = SendResults{}; }

  uint64_t started() const { return started_; }
  uint64_t accepted_in_all() const { return accepted_in_all_; }
  // Requests that are due but could not be started, at a fixed rate.
  uint64_t overdue(int64_t now_ns) const;

 private:
  class Connection;

  bool MayStart() const;
  void StartOn(Connection* connection, int64_t started_ns);
  void OnAnswer(Connection* connection, int status, std::string_view body);
  void OnEarlyAnswer(Connection* connection, int status);
  void OnBroken(Connection* connection);
  void OnDisconnected(Connection* connection);
  void Free(Connection* connection);

  Loop* loop_;
  RequestPool* pool_;
  Options options_;
  OnAccepted on_accepted_;
  SendResults results_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<Connection*> free_;  // at a fixed rate: connections without a request
  int64_t interval_ns_ = 0;
  int64_t next_due_ns_ = 0;
  uint64_t started_ = 0;
  uint64_t in_flight_ = 0;
  uint64_t accepted_in_all_ = 0;
  bool stopped_ = false;
};

}  // namespace tributary::bench
