// Redrives, deletions and limits of dead letters at work: one chunk at a time for all of them, in
// turn, because a letter that was found in the store may only be moved while nobody else moves it.
//
// The store is read on the blocking executor, letters are moved on their lane's loop, and the next
// chunk is looked for once that is durable.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "deliver/dead_letter_rows.h"
#include "deliver/dead_letters.h"
#include "deliver/lane.h"

namespace tributary::deliver {

inline constexpr std::size_t kDeadChunk = 500;

// A lane as others may reach it.
class DeletedLane;
struct LaneRef {
  LaneId id = 0;
  std::string name;
  std::shared_ptr<Lane> lane;  // nullptr: `deleted` is there instead
  os::Executor* loop = nullptr;
  std::string replay = {};  // its id; empty: the live lane
  std::shared_ptr<const DeletedLane> deleted = {};
};

struct DeadLetterLimits {
  std::int64_t age_us = 30LL * 86'400 * kMicrosPerSecond;
  std::uint64_t bytes_max = 1ULL << 30;  // per destination
};

struct DeadLetterWorld {
  store::Store* store = nullptr;
  log::Log* log = nullptr;
  os::Clock* clock = nullptr;
  os::Executor* blocking = nullptr;
  Committer* committer = nullptr;
  std::function<std::vector<LaneRef>()> lanes;  // in order of their ids; any thread
  DeadLetterLimits limits;
};

class DeadLetterMoves : public std::enable_shared_from_this<DeadLetterMoves> {
 public:
  explicit DeadLetterMoves(DeadLetterWorld world) : world_(std::move(world)) {}

  Status Load();  // moves that a restart interrupted; start only
  void Start();
  // What waits for an answer is answered kUnavailable; nothing is begun any more.
  void Close();

  void WhenStored(std::move_only_function<void()> then) const;
  void Add(DeadAction action, DeadSelection selection, DeadLetters::MoveDone done);
  Result<DeadMoving> Find(DeadAction action, std::string_view id) const;

 private:
  struct Move {
    std::uint64_t number = 0;  // 0: a limit at work
    DeadAction action = DeadAction::kRedrive;
    DropRule rule = DropRule::kDeleted;
    std::vector<LaneId> lanes;
    std::vector<DeliveryPlace> places;  // of the ids asked for
    bool by_place = false;
    std::optional<UnixMicros> since;
    UnixMicros until = 0;
    std::uint64_t bytes_left = ~std::uint64_t{0};  // to be freed
    std::uint64_t total = 0;
    std::uint64_t moved = 0;
    bool stored = false;
    bool over = false;
    bool sealed = false;  // its end is stored
    DeadLetters::MoveDone done;
    // Where it is: in memory only, because what was moved is not found again.
    std::size_t next = 0;  // of lanes or places
    std::optional<DeadEntry> after;
  };
  using MovePtr = std::shared_ptr<Move>;
  struct Chunk {
    LaneId lane = 0;
    std::vector<DeadEntry> letters;
    std::size_t next = 0;  // where the move goes on
    std::optional<DeadEntry> after;
  };

  Result<MovePtr> MakeMove(DeadAction action, const DeadSelection& selection) const;
  Result<std::uint64_t> CountOf(const Move& move) const;
  // Takes `done` when there is room for the move, and leaves it when there is none.
  Status Admit(const MovePtr& move, DeadLetters::MoveDone& done);
  void Begin(const MovePtr& move);
  void Schedule();
  void RunOne();
  Result<Chunk> NextChunk(const Move& move) const;
  Result<Chunk> NextPlaces(const Move& move) const;
  void MoveChunk(const MovePtr& move, Chunk chunk);
  void ChunkMoved(const MovePtr& move, const Chunk& chunk, const Result<Lane::DeadMoved>& moved);
  void EndTurn();
  void Later(const MovePtr& move);
  void Finish(const MovePtr& move, const Status& how);
  void Forget();
  void Tick();
  void AddLimits();
  void AddLimit(const LaneRef& lane, DropRule rule, UnixMicros until, std::uint64_t bytes);
  static std::string Encode(const Move& move, std::uint64_t moved);
  static Result<MovePtr> Decode(std::uint64_t number, std::string_view value);
  static DeadMoving ProgressOf(const Move& move);

  const DeadLetterWorld world_;
  mutable std::mutex mutex_;
  std::deque<MovePtr> waiting_;    // their turn comes; guarded by mutex_
  std::deque<MovePtr> all_;        // that have a number, oldest first; guarded
  std::uint64_t last_number_ = 0;  // guarded
  std::size_t limits_ = 0;         // moves without a number; guarded
  bool busy_ = false;              // a chunk is under way; guarded
  bool closed_ = false;            // guarded
};

// "rdv_" or "del_" and 16 hex digits.
std::string DeadMoveId(DeadAction action, std::uint64_t number);

}  // namespace tributary::deliver
