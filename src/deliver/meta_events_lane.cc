// What a lane tells of itself (meta_events.h).
#include "deliver/lane.h"

namespace tributary::deliver {

void Lane::Note(MetaEvent what, std::string_view reason, std::uint64_t count,
                std::string_view delivery_id) const {
  if (settings_.meta == nullptr) return;
  const MetaSubject subject{.lane = id_,
                            .destination = destination(),
                            .name = replay_ ? replay_->live->name_ : name_,
                            .replay = replay_ ? std::string_view(replay_->id) : std::string_view()};
  settings_.meta->Note(what, subject, reason, count, delivery_id);
}

}  // namespace tributary::deliver
