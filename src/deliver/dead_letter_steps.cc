// The turns of DeadLetterMoves: find a chunk, move it, go on.
#include <algorithm>

#include "base/logging.h"
#include "deliver/dead_letter_moves.h"

namespace tributary::deliver {

using store::Family;
using store::Visit;
namespace keys = store::keys;

namespace {

constexpr MonoNanos kTryAgainAfter = kNanosPerSecond;
constexpr MonoNanos kLimitsEvery = 10 * kNanosPerSecond;

}  // namespace

void DeadLetterMoves::Start() {
  Schedule();
  world_.blocking->Post([weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->Tick();
  });
}

void DeadLetterMoves::Close() {
  std::vector<DeadLetters::MoveDone> unanswered;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    for (const MovePtr& move : all_) {
      if (move->done) unanswered.push_back(std::exchange(move->done, nullptr));
    }
  }
  for (DeadLetters::MoveDone& done : unanswered) {
    done(Fail(ErrorCode::kUnavailable, "delivery is shutting down"));
  }
}

void DeadLetterMoves::Schedule() {
  {
    const std::lock_guard lock(mutex_);
    if (closed_ || busy_ || waiting_.empty()) return;
    busy_ = true;
  }
  world_.blocking->Post([weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->RunOne();
  });
}

void DeadLetterMoves::RunOne() {
  MovePtr move;
  {
    const std::lock_guard lock(mutex_);
    move = waiting_.front();
    waiting_.pop_front();
  }
  auto chunk = move->by_place ? NextPlaces(*move) : NextChunk(*move);
  if (chunk && !chunk->letters.empty()) return MoveChunk(move, *std::move(chunk));
  EndTurn();
  Finish(move, chunk ? Status{} : std::unexpected(chunk.error()));
}

void DeadLetterMoves::EndTurn() {
  const std::lock_guard lock(mutex_);
  busy_ = false;
}

Result<DeadLetterMoves::Chunk> DeadLetterMoves::NextChunk(const Move& move) const {
  Chunk chunk{.next = move.next, .after = move.after};
  std::uint64_t bytes = 0;
  for (; chunk.next < move.lanes.size(); ++chunk.next, chunk.after.reset()) {
    chunk.lane = move.lanes[chunk.next];
    TRY(ScanDead(
        *world_.store,
        {.lane = chunk.lane, .since = move.since, .until = move.until, .after = chunk.after},
        [&](const DeadEntry& entry) {
          if (chunk.letters.size() == kDeadChunk || bytes >= move.bytes_left) return Visit::kStop;
          bytes += entry.age.facts.bytes;
          chunk.letters.push_back(entry);
          chunk.after = entry;
          return Visit::kContinue;
        }));
    if (!chunk.letters.empty()) break;
  }
  return chunk;
}

// Those of the ids that are dead letters of the selection, of one lane.
Result<DeadLetterMoves::Chunk> DeadLetterMoves::NextPlaces(const Move& move) const {
  Chunk chunk{.next = move.next};
  for (; chunk.next < move.places.size() && chunk.letters.size() < kDeadChunk; ++chunk.next) {
    const DeliveryPlace& place = move.places[chunk.next];
    if (!chunk.letters.empty() && place.lane != chunk.lane) break;
    if (!std::ranges::binary_search(move.lanes, place.lane)) continue;
    TRY_ASSIGN(const auto found, FindDead(*world_.store, place.lane, place.at));
    if (!found || found->died_at_us >= move.until) continue;
    if (found->died_at_us < move.since.value_or(0)) continue;
    chunk.lane = place.lane;
    chunk.letters.push_back(*found);
  }
  return chunk;
}

void DeadLetterMoves::MoveChunk(const MovePtr& move, Chunk chunk) {
  const std::vector<LaneRef> lanes = world_.lanes();
  const auto lane = std::ranges::find(lanes, chunk.lane, &LaneRef::id);
  if (lane == lanes.end()) {
    // Its destination was deleted meanwhile, and its dead letters with it.
    chunk.after.reset();
    if (!move->by_place) chunk.next = move->next + 1;
    return ChunkMoved(move, chunk, Lane::DeadMoved{});
  }
  Lane::DeadMove what{.letters = chunk.letters, .drop = {}};
  if (move->action == DeadAction::kDelete) what.drop = move->rule;
  auto changes = [move](std::size_t count) {
    store::Batch batch;
    if (move->stored) {
      batch.Put(Family::kOwned, keys::DeadMove(move->number), Encode(*move, move->moved + count));
    }
    return batch;
  };
  auto done = [weak = weak_from_this(), blocking = world_.blocking, move,
               chunk = std::move(chunk)](const Result<Lane::DeadMoved>& moved) mutable {
    blocking->Post([weak, move, chunk = std::move(chunk), moved] {
      if (const auto self = weak.lock()) self->ChunkMoved(move, chunk, moved);
    });
  };
  lane->loop->Post([lane = lane->lane, what = std::move(what), changes = std::move(changes),
                    done = std::move(done)]() mutable {
    lane->MoveDead(std::move(what), std::move(changes), std::move(done));
  });
}

void DeadLetterMoves::ChunkMoved(const MovePtr& move, const Chunk& chunk,
                                 const Result<Lane::DeadMoved>& moved) {
  // The lane is going away, or delivery is: looked at again, until one or the other has happened.
  if (!moved) return Later(move);
  {
    const std::lock_guard lock(mutex_);
    move->moved += moved->count;
    std::uint64_t freed = 0;
    for (const DeadEntry& letter : chunk.letters) freed += letter.age.facts.bytes;
    move->bytes_left -= std::min(move->bytes_left, freed);
  }
  if (moved->full) return Later(move);
  {
    const std::lock_guard lock(mutex_);
    move->next = chunk.next;
    move->after = chunk.after;
    waiting_.push_back(move);  // the others have their turn first
  }
  EndTurn();
  Schedule();
}

// There is no room now. Whoever waits for the answer is told how far it has come.
void DeadLetterMoves::Later(const MovePtr& move) {
  DeadLetters::MoveDone done;
  DeadMoving progress;
  {
    const std::lock_guard lock(mutex_);
    done = std::exchange(move->done, nullptr);
    progress = ProgressOf(*move);
  }
  if (done) done(progress);
  EndTurn();
  world_.blocking->At(world_.blocking->Now() + kTryAgainAfter, [weak = weak_from_this(), move] {
    const auto self = weak.lock();
    if (!self) return;
    {
      const std::lock_guard lock(self->mutex_);
      self->waiting_.push_back(move);
    }
    self->Schedule();
  });
  Schedule();
}

void DeadLetterMoves::Finish(const MovePtr& move, const Status& how) {
  DeadLetters::MoveDone done;
  DeadMoving progress;
  {
    const std::lock_guard lock(mutex_);
    move->over = true;
    if (move->number == 0) --limits_;
    done = std::exchange(move->done, nullptr);
    progress = ProgressOf(*move);
  }
  if (!how) LogWarn("dead_letters_not_moved", {{"error", how.error().ToString()}});
  if (move->number == 0 && move->moved > 0) {
    LogWarn("dead_letters_dropped", {{"rule", DropRuleName(move->rule)},
                                     {"lane", move->lanes.front()},
                                     {"events", move->moved}});
  }
  if (done) how ? done(progress) : done(std::unexpected(how.error()));
  Forget();
  Schedule();
}

// Stores what has ended and forgets the oldest of those. Unsynced: after a power cut a move that
// had ended goes through its selection again and finds nothing.
void DeadLetterMoves::Forget() {
  store::Batch batch;
  {
    const std::lock_guard lock(mutex_);
    std::size_t over = 0;
    for (const MovePtr& move : all_) {
      over += move->over ? 1 : 0;
      if (move->over && move->stored && !std::exchange(move->sealed, true)) {
        batch.Put(Family::kOwned, keys::DeadMove(move->number), Encode(*move, move->moved));
      }
    }
    while (over > kMovesRemembered) {
      const auto oldest = std::ranges::find_if(all_, [](const MovePtr& m) { return m->over; });
      if ((*oldest)->stored) batch.Delete(Family::kOwned, keys::DeadMove((*oldest)->number));
      all_.erase(oldest);
      --over;
    }
  }
  if (batch.empty()) return;
  world_.committer->Submit({.batch = std::move(batch), .high = {}, .done = [](const Status&) {}});
}

// ---- Limits ----

void DeadLetterMoves::Tick() {
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
  }
  AddLimits();
  world_.blocking->At(world_.blocking->Now() + kLimitsEvery, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->Tick();
  });
}

void DeadLetterMoves::AddLimits() {
  {
    // Those of the last tick are still at work: bytes they will free would be counted twice.
    const std::lock_guard lock(mutex_);
    if (limits_ > 0) return;
  }
  const UnixMicros oldest = world_.clock->Now() - world_.limits.age_us;
  for (const LaneRef& lane : world_.lanes()) {
    if (lane.lane->stats().dead_lettered == 0) continue;
    AddLimit(lane, DropRule::kDeadLetterAge, oldest, ~std::uint64_t{0});
    const std::uint64_t bytes = lane.lane->dead_bytes();
    if (bytes <= world_.limits.bytes_max) continue;
    AddLimit(lane, DropRule::kDeadLetterSize, world_.clock->Now() + 1,
             bytes - world_.limits.bytes_max);
  }
  Schedule();
}

void DeadLetterMoves::AddLimit(const LaneRef& lane, DropRule rule, UnixMicros until,
                               std::uint64_t bytes) {
  auto move = std::make_shared<Move>();
  move->action = DeadAction::kDelete;
  move->rule = rule;
  move->lanes = {lane.id};
  move->until = until;
  move->bytes_left = bytes;
  const std::lock_guard lock(mutex_);
  waiting_.push_back(std::move(move));
  ++limits_;
}

}  // namespace tributary::deliver
