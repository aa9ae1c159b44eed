// The dedupe index, as the control API asks it: by name of the source or by none.
#pragma once

#include <memory>

#include "control/event_index.h"
#include "dedupe/dedupe.h"
#include "ingest/source_directory.h"

namespace tributary::app {

class DedupeEventIndex final : public control::EventIndex {
 public:
  DedupeEventIndex(dedupe::Dedupe& dedupe, std::shared_ptr<const ingest::SourceSnapshot> sources)
      : dedupe_(dedupe), sources_(std::move(sources)) {}
  Result<control::EventPlace> Find(std::optional<log::SourceId> source,
                                   std::string_view message_id) override;
  Status WhenIndexed(log::Partition partition, log::Offset offset, MonoNanos deadline_ns,
                     Wake wake) override {
    return dedupe_.WhenIndexed(partition, offset, deadline_ns, std::move(wake));
  }
  std::string failure() const override { return dedupe_.failure(); }

 private:
  Result<std::optional<control::EventPlace>> FindOf(log::SourceId source,
                                                    std::string_view message_id) const;

  dedupe::Dedupe& dedupe_;
  const std::shared_ptr<const ingest::SourceSnapshot> sources_;
};

}  // namespace tributary::app
