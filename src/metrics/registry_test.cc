#include "metrics/registry.h"

#include <thread>

namespace tributary::metrics {
namespace {

TEST(Registry, ExposesEveryKind) {
  Registry registry;
  registry.AddCounter("tributary_events_total", "Events.", {{"source", "demo"}}).Add(3);
  registry.AddGauge("tributary_lag", "Lag.", {}, [] { return 1.5; });
  registry.AddCounter("tributary_events_total", "Events.", {{"source", "web"}}).Add();
  EXPECT_EQ(registry.Expose(),
            "# HELP tributary_events_total Events.\n# TYPE tributary_events_total counter\n"
            "tributary_events_total{source=\"demo\"} 3\n"
            "tributary_events_total{source=\"web\"} 1\n"
            "# HELP tributary_lag Lag.\n# TYPE tributary_lag gauge\ntributary_lag 1.5\n");
}

TEST(Registry, HostileLabelsStayOneLabelOnOneLine) {
  Registry registry;
  registry.AddCounter("tributary_x_total", "A\\b\nc \"d\".", {{"n", "a\"} 9\n\\evil 1"}});
  EXPECT_EQ(registry.Expose(),
            "# HELP tributary_x_total A\\\\b\\nc \"d\".\n# TYPE tributary_x_total counter\n"
            "tributary_x_total{n=\"a\\\"} 9\\n\\\\evil 1\"} 0\n");
}

TEST(Registry, TheSameNameAndLabelsAreTheSameObject) {
  Registry registry;
  Counter& a = registry.AddCounter("tributary_a_total", "A.", {{"k", "1"}});
  EXPECT_EQ(&a, &registry.AddCounter("tributary_a_total", "A.", {{"k", "1"}}));
  EXPECT_NE(&a, &registry.AddCounter("tributary_a_total", "A.", {{"k", "2"}}));
}

TEST(Registry, ARemovedGaugeIsNeitherReadNorShown) {
  Registry registry;
  int reads = 0;
  const std::uint64_t id = registry.AddGauge("tributary_g", "G.", {}, [&] { return ++reads; });
  registry.AddGauge("tributary_g", "G.", {}, [] { return 7; });
  registry.Expose();
  registry.RemoveGauge(id);
  EXPECT_EQ(registry.Expose(), "# HELP tributary_g G.\n# TYPE tributary_g gauge\ntributary_g 7\n");
  EXPECT_EQ(reads, 1);
}

TEST(Registry, ACountThatIsReadIsACounterToo) {
  Registry registry;
  registry.AddGauge("tributary_read_total", "R.", {}, [] { return 12; });
  EXPECT_EQ(registry.Expose(),
            "# HELP tributary_read_total R.\n# TYPE tributary_read_total counter\n"
            "tributary_read_total 12\n");
}

TEST(Registry, BadNamesAreBugs) {
  Registry registry;
  EXPECT_DEATH(registry.AddCounter("bad name", ""), "IsMetricName");
  registry.AddCounter("tributary_x", "");
  EXPECT_DEATH(registry.AddHistogram("tributary_x", ""), "type");
}

TEST(Registry, HistogramLinesAreCumulativeAndEndInInf) {
  Registry registry;
  Histogram& h = registry.AddHistogram("tributary_h_seconds", "H.", {{"l", "x"}});
  h.ObserveNanos(500);              // below 1 µs
  h.ObserveNanos(1'000);            // 1 µs
  h.ObserveNanos(200'000'000'000);  // past the last bucket
  const std::string text = registry.Expose();
  EXPECT_THAT(text, testing::HasSubstr("tributary_h_seconds_bucket{l=\"x\",le=\"1e-06\"} 1\n"));
  EXPECT_THAT(text, testing::HasSubstr("tributary_h_seconds_bucket{l=\"x\",le=\"2e-06\"} 2\n"));
  EXPECT_THAT(text, testing::HasSubstr("tributary_h_seconds_bucket{l=\"x\",le=\"+Inf\"} 3\n"));
  EXPECT_THAT(text, testing::HasSubstr("tributary_h_seconds_sum{l=\"x\"} 200.00000"));
  EXPECT_THAT(text, testing::HasSubstr("tributary_h_seconds_count{l=\"x\"} 3\n"));
}

TEST(Histogram, QuantilesAreWithinAFactorOfTwo) {
  Histogram h;
  EXPECT_EQ(h.QuantileNanos(0.5), 0);
  for (int us = 1; us <= 10'000; ++us) h.ObserveNanos(us * 1000);
  for (const double q : {0.1, 0.5, 0.9, 0.95, 0.99}) {
    const double exact = q * 10'000 * 1000;
    EXPECT_LE(static_cast<double>(h.QuantileNanos(q)), exact * 2) << q;
    EXPECT_GE(static_cast<double>(h.QuantileNanos(q)), exact / 2) << q;
  }
  EXPECT_LE(h.QuantileNanos(0), 2000);
  EXPECT_EQ(h.count(), 10'000u);
}

TEST(Histogram, NegativeAndHugeSpansAreTaken) {
  Histogram h;
  h.ObserveNanos(-5);
  h.ObserveNanos(std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(h.count(), 2u);
  EXPECT_GT(h.QuantileNanos(1), 0);
}

TEST(Registry, ThreadsMayCountAddAndScrapeAtOnce) {
  Registry registry;
  Counter& counter = registry.AddCounter("tributary_c_total", "C.");
  Histogram& histogram = registry.AddHistogram("tributary_h_seconds", "H.");
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 2'000; ++i) {
        counter.Add();
        histogram.ObserveNanos(i);
        const auto id =
            registry.AddGauge("tributary_g", "G.", {{"t", std::to_string(t)}}, [] { return 1.0; });
        if (i % 100 == 0) registry.Expose();
        registry.RemoveGauge(id);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(counter.value(), 8'000u);
  EXPECT_EQ(histogram.count(), 8'000u);
}

}  // namespace
}  // namespace tributary::metrics
