// Counters, gauges and histograms, and the Prometheus text form of them.
//
// Metrics are declared once, where they are counted, as members of the thing that counts; names
// begin with `tributary_`, end in `_total`, `_bytes` or `_seconds`. Updating is lock-free and
// thread-safe; the registry lives for ever.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tributary::metrics {

using Labels = std::vector<std::pair<std::string, std::string>>;

class Counter {
 public:
  void Add(std::uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

// Buckets are powers of two of a microsecond up to about 70 s: two instructions to record,
// quantiles within a factor of two, interpolated.
class Histogram {
 public:
  static constexpr int kBuckets = 27;
  void ObserveNanos(std::int64_t nanos);
  std::uint64_t count() const;
  // Nanoseconds below which the share `q` (0..1) of all observations lies; 0 when empty.
  std::int64_t QuantileNanos(double q) const;

 private:
  friend class Registry;  // writes the buckets out
  std::atomic<std::uint64_t> buckets_[kBuckets] = {};
  std::atomic<std::uint64_t> sum_ns_{0};
};

class Registry {
 public:
  Registry();
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  // The returned object lives as long as the registry. Same name and labels: the same object.
  Counter& AddCounter(std::string name, std::string help, Labels labels = {});
  Histogram& AddHistogram(std::string name, std::string help, Labels labels = {});
  // Read when scraped, under the registry's lock: it must be quick and must not call the registry.
  // Once RemoveGauge has returned it is not called any more. Returns an id for RemoveGauge. A name
  // in `_total` is shown as a counter: it must only grow until the process ends.
  std::uint64_t AddGauge(std::string name, std::string help, Labels labels,
                         std::function<double()> read);
  void RemoveGauge(std::uint64_t id);

  // Text format 0.0.4. Label values are escaped.
  std::string Expose() const;

 private:
  struct Entry;
  Entry& FindOrAdd(std::string name, std::string help, std::string_view type, Labels labels);

  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Entry>> entries_;
  std::uint64_t next_id_ = 1;
};

}  // namespace tributary::metrics
