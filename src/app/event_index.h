// The dedupe index, as the control API asks it: by name of the source or by none. Sources that were
// deleted are asked too, as long as their names are remembered: their events are still there.
#pragma once

#include <memory>

#include "control/event_index.h"
#include "control/source_registry.h"
#include "dedupe/dedupe.h"

namespace tributary::app {

class DedupeEventIndex final : public control::EventIndex {
 public:
  DedupeEventIndex(dedupe::Dedupe& dedupe, const control::SourceRegistry& sources)
      : dedupe_(dedupe), sources_(sources) {}
  Result<control::EventPlace> Find(std::optional<log::SourceId> source,
                                   std::string_view message_id) override;
  Result<Places> FindAll(const std::vector<log::SourceId>& sources,
                         std::string_view message_id) override;
  Status WhenIndexed(log::Partition partition, log::Offset offset, MonoNanos deadline_ns,
                     Wake wake) override {
    return dedupe_.WhenIndexed(partition, offset, deadline_ns, std::move(wake));
  }
  std::string failure() const override { return dedupe_.failure(); }

 private:
  std::vector<log::SourceId> IdsOf(std::optional<log::SourceId> source) const;
  Result<std::optional<control::EventPlace>> FindOf(log::SourceId source,
                                                    std::string_view message_id) const;

  dedupe::Dedupe& dedupe_;
  const control::SourceRegistry& sources_;
};

}  // namespace tributary::app
