// Batches, the first half: what is taken gathers until it is enough, then its composition is made
// durable, and only then it may be sent. What has gathered but was not composed is nothing yet: the
// cursor does not pass it, and after a restart it is read again.
#include <algorithm>

#include "base/logging.h"
#include "deliver/lane.h"
#include "deliver/notice.h"

namespace tributary::deliver {

namespace keys = store::keys;

namespace {

// How large a row's event is is known only when it was read: room for so much is made first.
constexpr std::size_t kRowBytesExpected = 32 * 1024;

}  // namespace

bool Lane::GatherFull(std::size_t bytes_to_come) const {
  const LaneBatching& batch = settings_.batch;
  if (gathering_.members.empty()) return false;
  return gathering_.members.size() >= batch.size ||
         gathering_.body.size() + bytes_to_come + 2 > batch.bytes;
}

// Whether a record with so many bytes may be taken now. One batch gathers ahead of the window.
bool Lane::MayGather(std::size_t bytes, MonoNanos now) {
  if (ledger_->congested() || breaker_.Allows(window_.size(), now) == 0) return false;
  return !GatherFull(bytes) || FlushIfRoom(now);
}

// Notices and other events share no batch: the mark of the request says it of all.
bool Lane::MayMix(const log::RecordView& record) const {
  return gathering_.members.empty() || gathering_.notices == IsNotice(record.fields);
}

// Records of one key may share a batch, because they stay in order within it.
bool Lane::MayJoin(KeyQueues::Key key) const {
  if (!Batching() || settings_.schedule.front() != 0 || keys_.HasFollowers(key)) return false;
  const auto found = gathering_.held.find(key);
  return found != gathering_.held.end() && found->second == keys_.held(key);
}

void Lane::Gather(const log::RecordView& record, std::string_view body, KeyQueues::Key key,
                  MonoNanos now) {
  if (gathering_.members.empty()) {
    gathering_.began_ns = now;
    gathering_.notices = IsNotice(record.fields);
  }
  gathering_.body += gathering_.members.empty() ? '[' : ',';
  gathering_.body += body;
  gathering_.members.push_back({.at = {record.partition, record.offset},
                                .webhook_id = WebhookIdHash(destination(), record),
                                .key = key});
  if (key != 0) ++gathering_.held[key];
}

// Rows whose turn has come join what gathers; one that was tried before goes alone, so that its
// attempts count on.
void Lane::GatherRows(MonoNanos now) {
  const std::size_t bytes = std::min(kRowBytesExpected, settings_.batch.bytes / 4);
  // Without room none of them could go, or be asked about.
  while (now >= read_again_at_ && !asking_keys_ && Room(now) > 0 && MayGather(bytes, now)) {
    if (const auto due = ledger_->rows().TakeDue(now)) {
      if (GivenUp(*due, now)) continue;
      if (const auto key = ClaimKey(*due)) GatherRow(*due, *key, now);
    } else if (!SendFollower(now)) {
      return;
    }
  }
}

// Followers of one key may go together, in order.
void Lane::GatherFollower(Position at, KeyQueues::Key key, MonoNanos now) {
  bool gathered = GatherRow(at, key, now);
  while (gathered && key != 0 && !GatherFull(0)) {
    const auto next = keys_.TakeNext(key);
    if (!next) return;
    const WaitingRows::Row& row = *ledger_->rows().Find(*next);
    if (row.times.due > now || gathering_.held[key] != keys_.held(key)) {
      keys_.Follow(key, *next);
      return;
    }
    keys_.Hold(key);
    ledger_->rows().SetInFlight(*next);
    gathered = GatherRow(*next, key, now);
  }
}

// False when it comes later: its event must be read from the store first, or again, or it has no
// place beside the others of its key.
bool Lane::GatherRow(Position at, KeyQueues::Key key, MonoNanos now) {
  const auto found = world_.log->ReadOne(at.partition, at.offset);
  if (found) return AddRow(found->record, key, now);
  if (CannotReadNow(found.error(), now)) {
    PutRowBack(at, key, now);
    return false;
  }
  world_.committer->Post([weak = weak_from_this(), store = world_.store, loop = world_.loop,
                          body_key = keys::KeptBody(id_, at), at, key] {
    auto body = store->Get(store::Family::kOwned, body_key);
    loop->Post([weak, at, key, body = std::move(body)] {
      if (const auto self = weak.lock()) self->GatherKept(at, key, body);
    });
  });
  return false;
}

void Lane::GatherKept(Position at, KeyQueues::Key key,
                      const Result<std::optional<std::string>>& body) {
  const WaitingRows::Row* row = ledger_->rows().Find(at);
  if (stopped_ || row == nullptr) return;
  if (body && *body) {
    if (const auto record = DecodeKept(at, **body)) {
      AddRow(*record, key, world_.loop->Now());
      PumpSoon();
      return;
    }
  }
  const MonoNanos now = world_.loop->Now();
  if (!body && CannotReadNow(body.error(), now)) {
    PutRowBack(at, key, now);
  } else {
    LoseRow(at, key, row->times.since);
  }
  PumpSoon();
}

// False when it goes only after those of its key that it was to go with.
bool Lane::AddRow(const log::RecordView& record, KeyQueues::Key key, MonoNanos now) {
  const Position at{record.partition, record.offset};
  const WaitingRows::Row* row = ledger_->rows().Find(at);
  if (AsksPrograms(at)) {
    Send(BeginAttempt(at, key, row, now), record);
    return true;
  }
  const bool joins = !GatherFull(record.payload.size()) && MayMix(record);
  const bool fits = joins || FlushIfRoom(now);
  const bool first = row->stored.attempts == 0;
  if (first && HeldElsewhere(key, fits)) {
    FollowInstead(at, key, now);
    return false;
  }
  if (first && fits) {
    Gather(record, record.payload, key, now);
  } else {
    ComposeAlone(record, record.payload, key);
  }
  return true;
}

void Lane::ComposeAlone(const log::RecordView& record, std::string_view body, KeyQueues::Key key) {
  const Position at{record.partition, record.offset};
  const WaitingRows::Row row = *ledger_->rows().Find(at);
  StoredBatch alone{
      .due_us = row.stored.due_us,
      .attempts = row.stored.attempts,
      .base = row.stored.redriven_after,
      .since_us = row.stored.since_us,
      .members = {{.at = at, .webhook_id = WebhookIdHash(destination(), record), .key = key}}};
  alone.id = BatchWebhookId(alone.members);
  Compose({{.stored = std::move(alone),
            .times = {.due = world_.loop->Now(), .since = row.times.since},
            .body = "[" + std::string(body) + "]"}});
}

void Lane::FlushInTime(MonoNanos now) {
  if (gathering_.members.empty()) return;
  const bool over = now - gathering_.began_ns >= settings_.batch.wait_ns;
  if (over || !Batching() || GatherFull(0)) FlushIfRoom(now);
}

bool Lane::FlushIfRoom(MonoNanos now) {
  if (Room(now) <= composing_) return false;
  Flush(now);
  return true;
}

void Lane::Flush(MonoNanos now) {
  Gathering gathered = std::exchange(gathering_, {});
  for (const StoredBatch::Member& member : gathered.members) {
    if (ledger_->rows().Find(member.at) == nullptr) KeepIfReleased(member.at);
  }
  StoredBatch stored{.members = std::move(gathered.members)};
  stored.id = BatchWebhookId(stored.members);
  gathered.body += ']';
  if (gathered.stale) gathered.body.clear();
  Compose({{.stored = std::move(stored), .times = {.due = now}, .body = std::move(gathered.body)}});
}

// Makes the compositions durable; then they may be sent.
void Lane::Compose(std::vector<BatchRows::Batch> batches) {
  std::vector<BatchId> ids;
  for (BatchRows::Batch& batch : batches) {
    ids.push_back(batch.stored.key());
    ledger_->SettleBatch(std::move(batch));
  }
  composing_ += ids.size();
  ledger_->Commit({}, [weak = weak_from_this(), ids = std::move(ids)](const Status& written) {
    const auto self = weak.lock();
    if (!self || !written) return;
    self->composing_ -= ids.size();
    for (const BatchId id : ids) self->ledger_->batches().Arm(id);
    self->Pump();
  });
}

// Records that were taken and have neither a row nor an outcome, in the order gathered.
std::vector<Position> Lane::GatheredWithoutRow() const {
  std::vector<Position> positions;
  for (const StoredBatch::Member& member : gathering_.members) {
    if (ledger_->rows().Find(member.at) == nullptr) positions.push_back(member.at);
  }
  return positions;
}

}  // namespace tributary::deliver
