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
  const std::vector<log::SourceId> ids = IdsOf(source);
  // Thousands of sources may have been made: which one is found out for all at once.
  std::optional<log::SourceId> of;
  if (ids.size() == 1) {
    of = ids.front();
  } else {
    TRY_ASSIGN(of, dedupe_.SourceOfNewest(ids, message_id));
  }
  std::optional<control::EventPlace> place;
  if (of) {
    TRY_ASSIGN(place, FindOf(*of, message_id));
  }
  if (!place) return Fail(ErrorCode::kNotFound, "no event has this message id");
  return *std::move(place);
}

Result<control::EventIndex::Places> DedupeEventIndex::FindAll(
    const std::vector<log::SourceId>& sources, std::string_view message_id) {
  TRY_ASSIGN(const std::vector<dedupe::Match> matches,
             dedupe_.OriginalsOf(sources.empty() ? IdsOf(std::nullopt) : sources, message_id,
                                 control::kEventsOfIdMax + 1));
  Places found;
  for (const dedupe::Match& match : matches)
    found.places.emplace_back(match.partition, match.offset);
  found.all = matches.size() <= control::kEventsOfIdMax;
  if (!found.all) found.places.pop_back();
  return found;
}

}  // namespace tributary::app
