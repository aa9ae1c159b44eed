#include "app/event_index.h"

namespace tributary::app {

Result<std::optional<control::EventPlace>> DedupeEventIndex::FindOf(
    log::SourceId source, std::string_view message_id) const {
  TRY_ASSIGN(const std::vector<dedupe::Match> matches, dedupe_.Find(source, message_id));
  std::optional<control::EventPlace> place;  // the newest original comes first
  std::uint64_t duplicates = 0;
  std::vector<control::EventPlace::Repeat> repeats;
  for (const dedupe::Match& match : matches) {
    if (!match.duplicate) {
      if (place) continue;
      place.emplace();
      place->partition = match.partition;
      place->offset = match.offset;
      place->received_s = match.received_s;
    } else if (++duplicates <= control::kRepeatsShownMax) {
      repeats.push_back({match.partition, match.offset, match.received_s});
    }
  }
  if (place) {
    place->duplicates = duplicates;
    place->source = source;
    place->repeats = std::move(repeats);
  }
  return place;
}

// A name that was given anew has the events of all its bearers.
std::vector<log::SourceId> DedupeEventIndex::IdsOf(std::optional<log::SourceId> source) const {
  const auto snapshot = sources_.current();
  if (source) {
    const ingest::SourceSpec* const spec = snapshot->FindById(*source);
    if (spec != nullptr) return snapshot->IdsOfName(spec->name);
    return {*source};
  }
  std::vector<log::SourceId> ids;
  for (const auto* list : {&snapshot->all(), &snapshot->deleted()}) {
    for (const ingest::SourceSpec& spec : *list) ids.push_back(spec.id);
  }
  return ids;
}

Result<control::EventPlace> DedupeEventIndex::Find(std::optional<log::SourceId> source,
                                                   std::string_view message_id) {
  std::optional<control::EventPlace> newest;
  for (const log::SourceId id : IdsOf(source)) {
    TRY_ASSIGN(const auto found, FindOf(id, message_id));
    if (found && (!newest || found->offset > newest->offset)) newest = found;
  }
  if (!newest) return Fail(ErrorCode::kNotFound, "no event has this message id");
  return *newest;
}

}  // namespace tributary::app
