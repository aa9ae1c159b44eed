#include "app/event_index.h"

namespace tributary::app {

Result<std::optional<control::EventPlace>> DedupeEventIndex::FindOf(
    log::SourceId source, std::string_view message_id) const {
  TRY_ASSIGN(const std::vector<dedupe::Match> matches, dedupe_.Find(source, message_id));
  std::optional<control::EventPlace> place;  // the newest original comes first
  std::uint64_t duplicates = 0;
  for (const dedupe::Match& match : matches) {
    if (match.duplicate) {
      ++duplicates;
    } else if (!place) {
      place = control::EventPlace{.partition = match.partition, .offset = match.offset};
    }
  }
  if (place) place->duplicates = duplicates;
  return place;
}

Result<control::EventPlace> DedupeEventIndex::Find(std::optional<log::SourceId> source,
                                                   std::string_view message_id) {
  std::optional<control::EventPlace> newest;
  for (const ingest::SourceSpec& spec : sources_->all()) {
    if (source && spec.id != *source) continue;
    TRY_ASSIGN(const auto found, FindOf(spec.id, message_id));
    if (found && (!newest || found->offset > newest->offset)) newest = found;
  }
  if (!newest) return Fail(ErrorCode::kNotFound, "no event has this message id");
  return *newest;
}

}  // namespace tributary::app
