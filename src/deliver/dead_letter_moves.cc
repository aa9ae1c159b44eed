#include "deliver/dead_letter_moves.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "base/logging.h"

namespace tributary::deliver {

using nlohmann::json;
using store::Family;
using store::Visit;
namespace keys = store::keys;

namespace {

constexpr char kMoveVersion = 1;

std::string_view PrefixOf(DeadAction action) {
  return action == DeadAction::kRedrive ? "rdv_" : "del_";
}

Error Closing() {
  return {ErrorCode::kUnavailable, "delivery is shutting down"};
}

}  // namespace

std::string DeadMoveId(DeadAction action, std::uint64_t number) {
  char bytes[sizeof number];
  StoreLe(bytes, __builtin_bswap64(number));
  return std::string(PrefixOf(action)) + ToHex({bytes, sizeof bytes});
}

// ---- What is stored of a large one ----

std::string DeadLetterMoves::Encode(const Move& move, std::uint64_t moved) {
  return kMoveVersion + json{{"action", move.action == DeadAction::kRedrive ? "redrive" : "delete"},
                             {"lanes", move.lanes},
                             {"since", move.since ? json(*move.since) : json(nullptr)},
                             {"until", move.until},
                             {"total", move.total},
                             {"moved", moved},
                             {"over", move.over}}
                            .dump();
}

Result<DeadLetterMoves::MovePtr> DeadLetterMoves::Decode(std::uint64_t number,
                                                         std::string_view value) {
  const json stored = value.empty() || value.front() != kMoveVersion
                          ? json()
                          : json::parse(value.substr(1), nullptr, false);
  if (!stored.is_object() || !stored.contains("lanes") || !stored.contains("until")) {
    return Fail(ErrorCode::kCorrupt, "a stored move of dead letters is broken");
  }
  auto move = std::make_shared<Move>();
  move->number = number;
  move->action =
      stored.value("action", "") == "delete" ? DeadAction::kDelete : DeadAction::kRedrive;
  move->lanes = stored["lanes"].get<std::vector<LaneId>>();
  if (stored["since"].is_number()) move->since = stored["since"].get<UnixMicros>();
  move->until = stored["until"].get<UnixMicros>();
  move->total = stored.value("total", std::uint64_t{0});
  move->moved = stored.value("moved", std::uint64_t{0});
  move->over = stored.value("over", false);
  move->stored = true;
  return move;
}

Status DeadLetterMoves::Load() {
  Status failed;
  TRY(world_.store->ScanPrefix(
      Family::kOwned, keys::AllDeadMoves(), [&](std::string_view key, std::string_view value) {
        const auto number = keys::ParseDeadMove(key);
        auto move = Decode(number.value_or(0), value);
        if (!number || !move) {
          failed = Fail(move ? Error(ErrorCode::kCorrupt, "a key is broken") : move.error());
          return Visit::kStop;
        }
        last_number_ = std::max(last_number_, *number);
        all_.push_back(*move);
        if (!(*move)->over) waiting_.push_back(*move);
        return Visit::kContinue;
      }));
  return failed;
}

// ---- A new one ----

Result<DeadLetterMoves::MovePtr> DeadLetterMoves::MakeMove(DeadAction action,
                                                           const DeadSelection& selection) const {
  auto move = std::make_shared<Move>();
  move->action = action;
  move->since = selection.since;
  // What dies from now on is not part of it, or a redrive might never end.
  move->until =
      std::min(selection.until.value_or(world_.clock->Now() + 1), world_.clock->Now() + 1);
  for (const LaneRef& lane : world_.lanes()) {
    if (!selection.destination || *selection.destination == lane.name)
      move->lanes.push_back(lane.id);
  }
  if (selection.destination && move->lanes.empty()) {
    return Fail(ErrorCode::kInvalid, "destination",
                "destination names no destination that there is");
  }
  if (!selection.ids) return move;
  move->by_place = true;
  for (std::size_t i = 0; i < selection.ids->size(); ++i) {
    const auto place = ParseDeliveryId((*selection.ids)[i]);
    const std::string field = "ids[" + std::to_string(i) + "]";
    if (!place) return Fail(ErrorCode::kInvalid, field, field + " is no delivery id (dlv_…)");
    move->places.push_back(*place);
  }
  // In groups of one lane; each letter once.
  const auto key = [](const DeliveryPlace& place) { return std::pair(place.lane, place.at); };
  std::ranges::sort(move->places, {}, key);
  const auto same = std::ranges::unique(move->places, {}, key);
  move->places.erase(same.begin(), same.end());
  return move;
}

void DeadLetterMoves::Add(DeadAction action, DeadSelection selection, DeadLetters::MoveDone done) {
  const auto made = MakeMove(action, selection);
  if (!made) return done(std::unexpected(made.error()));
  if (const Status admitted = Admit(*made, done); !admitted) {
    return done(std::unexpected(admitted.error()));
  }
  WhenStored([weak = weak_from_this(), blocking = world_.blocking, move = *made] {
    blocking->Post([weak, move] {
      if (const auto self = weak.lock()) self->Begin(move);
    });
  });
}

Status DeadLetterMoves::Admit(const MovePtr& move, DeadLetters::MoveDone& done) {
  const std::lock_guard lock(mutex_);
  const auto running = std::ranges::count_if(all_, [](const MovePtr& m) { return !m->over; });
  if (closed_) return Fail(Closing());
  if (static_cast<std::size_t>(running) >= kMovesRunningMax) {
    return Fail(ErrorCode::kUnavailable, "too many dead letters are being moved; try again later");
  }
  last_number_ =
      std::max<std::uint64_t>(last_number_ + 1, static_cast<std::uint64_t>(world_.clock->Now()));
  move->number = last_number_;
  move->done = std::move(done);
  all_.push_back(move);
  return {};
}

void DeadLetterMoves::WhenStored(std::move_only_function<void()> then) const {
  struct Waiting {
    std::atomic<std::size_t> left{1};
    std::move_only_function<void()> then;
    void OneLess() {
      if (left.fetch_sub(1) == 1) then();
    }
  };
  auto waiting = std::make_shared<Waiting>();
  waiting->then = std::move(then);
  for (const LaneRef& lane : world_.lanes()) {
    const LaneStats stats = lane.lane->stats();
    if (stats.dead_lettered + stats.retrying + stats.dropped == 0) continue;
    ++waiting->left;
    lane.loop->Post(
        [lane = lane.lane, waiting] { lane->WhenDurable([waiting] { waiting->OneLess(); }); });
  }
  waiting->OneLess();
}

Result<std::uint64_t> DeadLetterMoves::CountOf(const Move& move) const {
  std::uint64_t count = 0;
  if (move.by_place) {
    for (const DeliveryPlace& place : move.places) {
      TRY_ASSIGN(const auto found, FindDead(*world_.store, place.lane, place.at));
      const bool selected = found && found->died_at_us < move.until &&
                            found->died_at_us >= move.since.value_or(0) &&
                            std::ranges::binary_search(move.lanes, place.lane);
      count += selected ? 1 : 0;
    }
    return count;
  }
  for (const LaneId lane : move.lanes) {
    TRY(ScanDead(*world_.store, {.lane = lane, .since = move.since, .until = move.until},
                 [&count](const DeadEntry&) {
                   ++count;
                   return Visit::kContinue;
                 }));
  }
  return count;
}

// On the blocking executor: how much is it? A large one is made durable before anything is moved.
void DeadLetterMoves::Begin(const MovePtr& move) {
  const auto total = CountOf(*move);
  if (!total) return Finish(move, std::unexpected(total.error()));
  {
    const std::lock_guard lock(mutex_);
    move->total = *total;
    move->stored = *total > kMovedBeforeAnswer;
    if (!move->stored) waiting_.push_back(move);
  }
  if (!move->stored) return Schedule();
  store::Batch batch;
  batch.Put(Family::kOwned, keys::DeadMove(move->number), Encode(*move, 0));
  world_.committer->Submit({.batch = std::move(batch),
                            .high = {},
                            .done = [weak = weak_from_this(), move](const Status& s) {
                              const auto self = weak.lock();
                              if (!self) return;
                              if (!s) return self->Finish(move, s);
                              DeadLetters::MoveDone done;
                              DeadMoving progress;
                              {
                                const std::lock_guard lock(self->mutex_);
                                self->waiting_.push_back(move);
                                done = std::exchange(move->done, nullptr);
                                progress = ProgressOf(*move);
                              }
                              if (done) done(progress);
                              self->Schedule();
                            }});
}

DeadMoving DeadLetterMoves::ProgressOf(const Move& move) {
  return {.id = DeadMoveId(move.action, move.number),
          .running = !move.over,
          .done = move.moved,
          .total = std::max(move.total, move.moved)};
}

Result<DeadMoving> DeadLetterMoves::Find(DeadAction action, std::string_view id) const {
  const std::lock_guard lock(mutex_);
  for (const MovePtr& move : all_) {
    if (move->action == action && DeadMoveId(action, move->number) == id) return ProgressOf(*move);
  }
  return Fail(ErrorCode::kNotFound, "id",
              "there is no such move of dead letters, or it is long over");
}

}  // namespace tributary::deliver
