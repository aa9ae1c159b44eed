// The replays of an engine. A room of the engine: it makes changes in the engine's own queue, so
// that they and changes of destinations happen one after another.
//
// Threads: as marked. Records are guarded by mutex_; a replay's lane, like its destination's, is
// used on its loop only.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "deliver/engine_impl.h"
#include "deliver/replay_record.h"
#include "deliver/replays.h"

namespace tributary::deliver {

class ReplayTable final : public Replays {
 public:
  explicit ReplayTable(EngineImpl& engine) : engine_(engine) {}
  ~ReplayTable() override;

  void Create(std::string json_text, Done<std::string> done) override;
  void Pause(std::string id, Done<std::string> done) override;
  void Resume(std::string id, Done<std::string> done) override;
  void Cancel(std::string id, Done<std::string> done) override;
  void Delete(std::string id, Done<void> done) override;
  Result<std::string> Get(std::string_view id) const override;
  Result<Page> List(std::string_view destination, std::string_view cursor,
                    std::size_t limit) const override;

  // ---- For the engine ----
  Status Load();  // once destinations are there; may block
  // Any thread. The lanes there are: of replays that run, or ended and left dead letters.
  struct LaneRef {
    LaneId id = 0;
    DestinationId destination = 0;
    std::string name;  // of the destination
    std::shared_ptr<LoopState> loop;
    std::shared_ptr<Lane> lane;
  };
  std::vector<LaneRef> lanes() const;
  // A change of a destination reaches its replays by what is returned, which runs on the loop in
  // the same turn as the change of the live lane.
  using OnLoop = std::move_only_function<void()>;
  OnLoop PrepareChange(DestinationId destination, const Spec& spec, std::uint32_t revision);
  // They are cancelled, and their rows and dead letters are dropped.
  OnLoop PrepareDelete(DestinationId destination);

 private:
  struct Replay {
    ReplayRecord record;
    EngineImpl::EntryPtr entry;       // of the destination; nullptr once both lanes are gone
    std::shared_ptr<LoopState> loop;  // the destination's
    std::shared_ptr<Lane> lane;       // nullptr when nothing of it is left
  };
  using ReplayPtr = std::shared_ptr<Replay>;
  using Finish = EngineImpl::Finish;

  // engine_replay.cc
  void Enqueue(std::string id, Done<std::string> done,
               std::move_only_function<void(LaneId, ReplayPtr, Done<std::string>, Finish)> change);
  void CreateNow(const std::string& json_text, Done<std::string> done, Finish finish);
  Result<ReplayRecord> MakeRecord(const std::string& json_text, EngineImpl::EntryPtr& entry) const;
  Status SetRange(const ReplayRequest& request, ReplayRecord& record) const;
  Status RoomForOne(std::vector<LaneId>& over) const;
  void SetStatus(std::string id, LaneStatus status, Done<std::string> done);
  Ledger::Persisted AnswerWhenWritten(LaneId id, ReplayPtr replay, Done<std::string> done,
                                      Finish finish);
  void CancelNow(LaneId id, const ReplayPtr& replay, Done<std::string> done, Finish finish);
  void DeleteNow(LaneId id, const ReplayPtr& replay, Done<std::string> done, Finish finish);
  void OnFinished(LaneId id, bool left);
  void FinishNow(LaneId id, const ReplayPtr& replay, bool left, Finish finish);

  // engine_replay_lanes.cc
  Status LoadReplay(LaneId id, std::string_view value);
  Status EndEarly(LaneId id, Replay& replay);
  Status CountAgain(LaneId id, ReplayRecord& record,
                    const std::vector<StoredCursor>& cursors) const;
  Status ClampToLog(LaneId id, ReplayRecord& record) const;
  Result<std::shared_ptr<const Matcher>> MatcherOf(const ReplayRecord& record) const;
  Result<LaneSettings> SettingsOf(const Replay& replay, const Spec& spec,
                                  std::uint32_t revision) const;
  Status Install(LaneId id, const ReplayPtr& replay, LaneState state);
  void StartLane(const Replay& replay) const;
  void Orphan(LaneId id, Replay& replay);
  static void MakeOrphan(ReplayRecord& record);
  std::function<void(bool left)> FinishedOf(LaneId id);
  void Release(Replay& replay);
  store::Batch Forget(LaneId id) const;

  // engine_replay_view.cc
  ReplayPtr Find(LaneId id) const;
  std::string JsonOf(LaneId id, const Replay& replay) const;  // takes the mutex
  std::string JsonLocked(LaneId id, const Replay& replay) const;
  static ReplayProgress ProgressOf(const Replay& replay);

  static constexpr const char* kDestinationDeleted = "its destination was deleted";
  EngineImpl& engine_;
  mutable std::mutex mutex_;
  std::map<LaneId, ReplayPtr> replays_;
};

}  // namespace tributary::deliver
