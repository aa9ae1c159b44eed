// The intake of one loop: collects what the requests of a loop turn add, hands it to the log as one
// batch (several, if it is much), and answers all of them when it is durable.
//
// Durability: an answer given to AnswerWhenDurable is sent only after the log reported the sync
// that covers its records, never before; when the log refuses or fails, `on_failure` answers.
//
// Threads: the loop's thread only. The log calls back on its writer thread; the callback does
// nothing but post one task to the loop.
//
// Bounds: at most `waiting_bytes_max` bytes of records and `waiting_requests_max` requests wait at
// one time; past either, Open() says kUnavailable and the caller answers 503 before it parses.
//
// Lifetime: destroy it after the log was closed (every callback came) and its loop has stopped.
#pragma once

#include <memory>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "ingest/source.h"
#include "log/log.h"
#include "metrics/registry.h"
#include "os/executor.h"

namespace tributary::ingest {

struct IntakeLimits {
  std::size_t waiting_bytes_max = 32 * 1024 * 1024;
  std::size_t waiting_requests_max = 16 * 1024;
  // A batch that has so many bytes does not wait for the end of the turn. Batches of one size leave
  // no holes in the heap, and a turn of hundreds of great requests is no batch that the log's queue
  // cannot hold.
  std::size_t batch_bytes_wanted = 768 * 1024;
};

class LoopIntake final : public Intake {
 public:
  LoopIntake(os::Executor& loop, log::Log& log, metrics::Registry& registry,
             const IntakeLimits& limits = {});
  ~LoopIntake() override;

  Result<log::Batch*> Open() override;
  void AnswerWhenDurable(http::Responder responder, std::string_view canned,
                         OnFailure on_failure) override;
  void AnswerWhenDurable(http::Responder responder, http::Response answer,
                         OnFailure on_failure) override;

  void CountWhenDurable(metrics::Counter& counter, std::uint64_t events) override;

  // From now on Open() refuses; what waits is still answered. For draining.
  void Close() { closed_ = true; }
  std::size_t waiting_requests() const { return waiting_requests_; }
  std::size_t waiting_bytes() const { return waiting_bytes_ + batch_->bytes(); }

 private:
  struct Waiter {
    http::Responder responder;
    std::variant<std::string_view, http::Response> answer;
    OnFailure on_failure;
  };
  // The requests of one batch. Kept for the next batch once they are answered.
  struct Group {
    std::vector<Waiter> waiters;
    std::vector<std::pair<metrics::Counter*, std::uint64_t>> counts;  // one a source, not a request
    std::size_t bytes = 0;
    MonoNanos handed_over_ns = 0;
  };

  void Wait(Waiter waiter);
  void Flush();
  void HandOver();
  void Finish(std::unique_ptr<Group> group, const Status& outcome);
  std::unique_ptr<Group> TakeGroup();

  os::Executor& loop_;
  log::Log& log_;
  const IntakeLimits limits_;
  metrics::Counter& refused_;
  metrics::Counter& failed_;
  metrics::Histogram& ack_;

  std::unique_ptr<log::Batch> batch_ = std::make_unique<log::Batch>();
  std::unique_ptr<Group> group_ = std::make_unique<Group>();  // waits for batch_
  std::vector<std::unique_ptr<Group>> spare_groups_;
  bool flush_posted_ = false;
  bool closed_ = false;
  std::size_t waiting_bytes_ = 0;  // handed to the log, not yet durable
  std::size_t waiting_requests_ = 0;
};

}  // namespace tributary::ingest
