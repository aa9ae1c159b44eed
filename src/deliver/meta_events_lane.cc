// What a lane tells of itself (meta_events.h).
#include "deliver/lane.h"
#include "deliver/notice.h"

namespace tributary::deliver {

namespace keys = store::keys;

void Lane::Note(MetaEvent what, std::string_view reason, std::uint64_t count,
                std::string_view delivery_id) const {
  if (settings_.meta == nullptr) return;
  const MetaSubject subject{.lane = id_,
                            .destination = destination(),
                            .name = replay_ ? replay_->live->name_ : name_,
                            .replay = replay_ ? std::string_view(replay_->id) : std::string_view()};
  settings_.meta->Note(what, subject, reason, count, delivery_id);
}

// A dead letter is told, unless it was a notice itself. Of what the log has forgotten only the copy
// knows that, and reading it may block.
void Lane::NoteDead(Position at, const std::string& reason, const DeadFacts& facts) {
  if (settings_.meta == nullptr || facts.notice) return;
  if (facts.bytes != 0) {
    Note(MetaEvent::kDeadLettered, reason, 1, DeliveryId(id_, at));
    return;
  }
  world_.committer->Post([weak = weak_from_this(), store = world_.store, loop = world_.loop,
                          key = keys::KeptBody(id_, at), at, reason] {
    const auto body = store->Get(store::Family::kOwned, key);
    const auto record = DecodeKept(at, body && *body ? std::string_view(**body) : "");
    if (record && IsNotice(record->fields)) return;
    loop->Post([weak, at, reason] {
      const auto self = weak.lock();
      if (self) self->Note(MetaEvent::kDeadLettered, reason, 1, DeliveryId(self->id_, at));
    });
  });
}

}  // namespace tributary::deliver
