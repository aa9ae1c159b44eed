#include "ingest/source_metrics.h"

namespace tributary::ingest {

void SourceMetrics::Accepted(const SourceSpec& source, std::uint64_t events, Intake& intake) {
  metrics::Counter*& counter = accepted_[source.id];
  if (counter == nullptr) {
    counter = &registry_.AddCounter("tributary_events_accepted_total",
                                    "Events that were made durable, by source.",
                                    {{"source", source.name}});
  }
  intake.CountWhenDurable(*counter, events);
}

void SourceMetrics::Rejected(const SourceSpec& source, std::string_view code) {
  metrics::Counter*& counter = rejected_[{source.id, code.data()}];
  if (counter == nullptr) {
    counter = &registry_.AddCounter("tributary_events_rejected_total",
                                    "Events that were not taken, by source and reason.",
                                    {{"source", source.name}, {"code", std::string(code)}});
  }
  counter->Add();
}

void SourceMetrics::Refused(std::string_view code) {
  registry_
      .AddCounter("tributary_requests_refused_total",
                  "Collection requests that were not taken as a whole, by reason.",
                  {{"code", std::string(code)}})
      .Add();
}

void SourceMetrics::Discarded(std::string_view what) {
  registry_
      .AddCounter("tributary_requests_discarded_total",
                  "Requests answered and thrown away on purpose.", {{"what", std::string(what)}})
      .Add();
}

}  // namespace tributary::ingest
