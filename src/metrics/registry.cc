#include "metrics/registry.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>

#include "base/check.h"
#include "base/time.h"

namespace tributary::metrics {
namespace {

constexpr std::int64_t kNanosPerMicro = 1000;

// Bucket i holds observations below 2^i microseconds; the last one holds all that is longer.
std::int64_t UpperNanos(int bucket) {
  return (std::int64_t{1} << bucket) * kNanosPerMicro;
}

std::string Escaped(std::string_view text, bool quotes) {
  std::string out;
  for (const char c : text) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '"' && quotes) {
      out += "\\\"";
    } else {
      out += c;
    }
  }
  return out;
}

// `extra` is one more pair, already written ("le=\"1\"").
std::string LabelText(const Labels& labels, std::string_view extra = {}) {
  std::string out;
  for (const auto& [name, value] : labels) {
    out += (out.empty() ? "" : ",") + name + "=\"" + Escaped(value, true) + "\"";
  }
  if (!extra.empty()) out += (out.empty() ? "" : ",") + std::string(extra);
  return out.empty() ? out : "{" + out + "}";
}

std::string NumberText(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  // Whole numbers as such: a scraper reads both, a person only one.
  if (value == std::floor(value) && std::abs(value) < 1e15) {
    return std::to_string(static_cast<std::int64_t>(value));
  }
  char text[32];
  std::snprintf(text, sizeof text, "%.9g", value);
  return text;
}

bool IsMetricName(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

}  // namespace

void Histogram::ObserveNanos(std::int64_t nanos) {
  const auto micros = static_cast<std::uint64_t>(nanos < 0 ? 0 : nanos) / kNanosPerMicro;
  const int bucket = std::min(static_cast<int>(std::bit_width(micros)), kBuckets - 1);
  buckets_[bucket].fetch_add(1, std::memory_order_relaxed);
  sum_ns_.fetch_add(static_cast<std::uint64_t>(nanos < 0 ? 0 : nanos), std::memory_order_relaxed);
}

std::uint64_t Histogram::count() const {
  std::uint64_t n = 0;
  for (const auto& bucket : buckets_) n += bucket.load(std::memory_order_relaxed);
  return n;
}

std::int64_t Histogram::QuantileNanos(double q) const {
  const std::uint64_t n = count();
  if (n == 0) return 0;
  const double wanted = std::clamp(q, 0.0, 1.0) * static_cast<double>(n);
  double below = 0;
  for (int i = 0; i < kBuckets; ++i) {
    const auto here = static_cast<double>(buckets_[i].load(std::memory_order_relaxed));
    if (here > 0 && below + here >= wanted) {
      const double share = std::max(0.0, wanted - below) / here;
      const auto lower = static_cast<double>(i == 0 ? 0 : UpperNanos(i - 1));
      return static_cast<std::int64_t>(lower +
                                       share * (static_cast<double>(UpperNanos(i)) - lower));
    }
    below += here;
  }
  return UpperNanos(kBuckets - 1);
}

// All series of one name. Ten thousand destinations have a dozen gauges each, so a series is found
// by its id or by its labels, never by looking at the others.
struct Registry::Entry {
  struct Series {
    Labels labels;
    std::function<double()> read;  // of a gauge
    std::unique_ptr<Counter> counter;
    std::unique_ptr<Histogram> histogram;
  };
  std::string name;
  std::string help;
  std::string type;
  std::map<std::uint64_t, Series> series;   // by id: in the order they were added
  std::map<Labels, std::uint64_t> lasting;  // ids of counters and histograms
  std::uint64_t chosen = 0;                 // what FindOrAdd() found or added last

  Series& Chosen() { return series.at(chosen); }
  // Counters and histograms stay, and are found again by their labels.
  template <class Metric>
  static Metric& Last(Entry& entry, std::unique_ptr<Metric> Series::*member) {
    Series& series = entry.Chosen();
    if (series.*member == nullptr) {
      series.*member = std::make_unique<Metric>();
      entry.lasting[series.labels] = entry.chosen;
    }
    return *(series.*member);
  }

  void WriteTo(std::string& out) const {
    if (series.empty()) return;
    out += "# HELP " + name + " " + Escaped(help, false) + "\n";
    out += "# TYPE " + name + " " + type + "\n";
    for (const auto& [id, one] : series) {
      if (one.histogram != nullptr) {
        WriteHistogram(one, out);
        continue;
      }
      const std::string text =
          one.read ? NumberText(one.read()) : std::to_string(one.counter->value());
      out += name + LabelText(one.labels) + " " + text + "\n";
    }
  }

  void WriteHistogram(const Series& one, std::string& out) const {
    const Histogram& histogram = *one.histogram;
    std::uint64_t below = 0;
    for (int i = 0; i < Histogram::kBuckets; ++i) {
      below += histogram.buckets_[i].load(std::memory_order_relaxed);
      const double upper = static_cast<double>(UpperNanos(i)) / kNanosPerSecond;
      const std::string le =
          i + 1 == Histogram::kBuckets ? "le=\"+Inf\"" : "le=\"" + NumberText(upper) + "\"";
      out += name + "_bucket" + LabelText(one.labels, le) + " " + std::to_string(below) + "\n";
    }
    const auto sum = static_cast<double>(histogram.sum_ns_.load(std::memory_order_relaxed));
    out += name + "_sum" + LabelText(one.labels) + " " + NumberText(sum / kNanosPerSecond) + "\n";
    // The sum of the buckets, so that one exposition never contradicts itself.
    out += name + "_count" + LabelText(one.labels) + " " + std::to_string(below) + "\n";
  }
};

Registry::Registry() = default;
Registry::~Registry() = default;

// The entry of this name; its chosen series is the lasting one with these labels, or a new one.
Registry::Entry& Registry::FindOrAdd(std::string name, std::string help, std::string_view type,
                                     Labels labels) {
  CHECK(IsMetricName(name));
  auto found =
      std::ranges::find_if(entries_, [&](const auto& entry) { return entry->name == name; });
  if (found == entries_.end()) {
    auto entry = std::make_unique<Entry>();
    entry->name = std::move(name);
    entry->help = std::move(help);
    entry->type = type;
    found = entries_.insert(entries_.end(), std::move(entry));
  }
  Entry& entry = **found;
  CHECK(entry.type == type);
  const auto lasting = entry.lasting.find(labels);
  entry.chosen = lasting == entry.lasting.end() ? next_id_++ : lasting->second;
  if (lasting == entry.lasting.end()) entry.series[entry.chosen].labels = std::move(labels);
  return entry;
}

Counter& Registry::AddCounter(std::string name, std::string help, Labels labels) {
  const std::lock_guard lock(mutex_);
  return Entry::Last(FindOrAdd(std::move(name), std::move(help), "counter", std::move(labels)),
                     &Entry::Series::counter);
}

Histogram& Registry::AddHistogram(std::string name, std::string help, Labels labels) {
  const std::lock_guard lock(mutex_);
  return Entry::Last(FindOrAdd(std::move(name), std::move(help), "histogram", std::move(labels)),
                     &Entry::Series::histogram);
}

std::uint64_t Registry::AddGauge(std::string name, std::string help, Labels labels,
                                 std::function<double()> read) {
  CHECK(read != nullptr);
  const std::lock_guard lock(mutex_);
  // Scrapers take what ends in _total for a counter, and nothing else.
  const std::string_view type = name.ends_with("_total") ? "counter" : "gauge";
  Entry& entry = FindOrAdd(std::move(name), std::move(help), type, std::move(labels));
  CHECK(entry.Chosen().counter == nullptr);
  entry.Chosen().read = std::move(read);
  return entry.chosen;
}

void Registry::RemoveGauge(std::uint64_t id) {
  const std::lock_guard lock(mutex_);
  for (const auto& entry : entries_) {
    const auto found = entry->series.find(id);
    if (found == entry->series.end()) continue;
    if (found->second.read) entry->series.erase(found);
    return;
  }
}

std::string Registry::Expose() const {
  const std::lock_guard lock(mutex_);
  std::map<std::string_view, const Entry*> by_name;
  for (const auto& entry : entries_) by_name[entry->name] = entry.get();
  std::string out;
  for (const auto& [name, entry] : by_name) entry->WriteTo(out);
  return out;
}

}  // namespace tributary::metrics
