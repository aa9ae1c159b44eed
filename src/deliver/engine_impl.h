// The engine's rooms; outsiders see engine.h only.
//
// Changes are made one at a time: each is a small chain of steps (read the request and write on the
// committer thread, take effect on the lane's loop) and the next begins when the last has answered.
#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "deliver/audit_run.h"
#include "deliver/dead_letter_service.h"
#include "deliver/deleted_lane.h"
#include "deliver/deliveries_service.h"
#include "deliver/engine.h"
#include "deliver/engine_declared.h"
#include "deliver/engine_dry_run.h"
#include "deliver/engine_revisions.h"
#include "deliver/lane.h"
#include "deliver/pruner.h"
#include "deliver/spec.h"
#include "deliver/spec_vault.h"

namespace tributary::deliver {

// What one loop has. `lanes` is touched on its thread only.
struct LoopState {
  LoopState(Loop the_loop, log::Log& log, const log::Verdicts& verdicts)
      : loop(the_loop), windows(log, verdicts) {}
  Loop loop;
  WindowCache windows;
  std::vector<std::shared_ptr<Lane>> lanes;
  std::atomic<bool> wake_posted{false};
};

// What the verdicts call; may outlive the engine.
struct Waker {
  std::mutex mutex;
  std::vector<std::shared_ptr<LoopState>> loops;  // empty once the engine is gone
  Committer* committer = nullptr;
  void Wake();
};

// Why a destination is paused that was removed from the configuration file.
inline constexpr std::string_view kUnlistedReason = "no longer in the configuration";

// First bytes of stored rows.
inline constexpr char kDestinationVersion = 1;
inline constexpr char kSealedDestinationVersion =
    2;  // has secrets (spec_vault.h); older programs refuse it
inline constexpr char kRevisionVersion = 1;

// A destination as it is now. Guarded by the engine's mutex, except id and lane.
struct Entry {
  DestinationId id = 0;
  Spec spec;
  std::uint32_t revision = 1;
  bool declared = false;  // made by the configuration
  bool listed = false;    // and still in it
  std::shared_ptr<LoopState> loop;
  std::shared_ptr<Lane> lane;
  std::vector<std::uint64_t> gauges;
  std::vector<std::string> lost;  // secrets that did not open (JSON pointers): it must not send
};

class ReplayTable;
class TrialTable;

class EngineImpl final : public Engine, public SecretRotation {
  friend class RevisionTable;

 public:
  EngineImpl(EngineWorld world, EngineOptions options);
  ~EngineImpl() override;
  Status Load();  // engine_load.cc

  void Start() override;
  Committer& committer() override { return committer_; }
  void Close(MonoNanos deadline, std::move_only_function<void()> done) override;

  void Create(std::string json_text, Done<std::string> done, std::string who) override;
  void Replace(std::string name, std::string json_text, bool create, Done<Replaced> done,
               std::string who) override;
  void Patch(std::string name, std::string json_text, Done<std::string> done,
             std::string who) override;
  void Delete(std::string name, Done<void> done) override;
  void Pause(std::string name, Done<std::string> done) override;
  void Resume(std::string name, Done<std::string> done) override;

  SecretRotation& secret_rotation() override { return *this; }
  Trials& trials() override;
  void RotateSecret(std::string name, std::string request, Done<std::string> done,
                    std::string who) override;

  Result<std::string> Get(std::string_view name) const override;
  Result<Page> List(std::string_view cursor, std::size_t limit) const override;
  Result<LaneStats> Stats(std::string_view name) const override;
  std::vector<config::OptionSpec> options() const override;
  Replays& replays() override;
  Revisions& revisions() override { return revision_table_; }
  DryRuns& dry_runs() override { return dry_runs_; }
  void Trace(log::Partition partition, log::Offset offset,
             Done<std::vector<PairTrace>> done) override;
  Declared& declared() override { return declared_; }
  DeadLetters& dead_letters() override;
  Deliveries& deliveries() override;
  Audit& audit() override;

 private:
  friend class TrialTable;   // engine_trial.h
  friend class ReplayTable;  // engine_replay.h
  friend class EngineDryRuns;
  static constexpr std::string_view kNextId = "next_destination_id";  // lanes of replays count too
  static std::string IdBytes(std::uint32_t id);
  friend class EngineDeclared;
  using EntryPtr = std::shared_ptr<Entry>;
  using Finish = std::move_only_function<void()>;  // the change is over: the next may begin
  // Called with success on the committer thread when its turn has come, or with why it has not.
  using Change = std::move_only_function<void(const Status& go, Finish finish)>;
  using Answer = Done<Replaced>;

  // engine_load.cc
  Status LoadDestination(DestinationId id, std::string_view value);
  Result<LaneState> LoadLane(DestinationId id, store::Batch& repairs);
  Status LoadRules(DestinationId id, RuleHistory& rules, store::Batch& repairs);
  Status LoadRows(DestinationId id, LaneState& state, store::Batch& repairs);
  Status LoadFollowers(LaneId id, LaneState& state, store::Batch& repairs);
  Status LoadBatches(LaneId id, LaneState& state, store::Batch& repairs);
  Status LoadDeleted();
  Status LoadDeletedLane(LaneId id, StoredLane stored);
  Status ApplyDeclared(const std::string& json_text);
  Status UpdateDeclared(Entry& entry, const Spec& spec);
  Status Reload(const std::string& name);
  Status PauseUnlisted();
  Status WriteAtLoad(const store::Batch& batch);  // durable when Load() has ended

  // engine_changes.cc
  void Enqueue(Change change);
  void RunNext();
  Status RoomFor(const std::string& name) const;
  void CreateNow(const std::string& json_text, const std::string& who, Answer done, Finish finish);
  void MakeNow(Spec spec, bool declared, const std::string& who, Answer done, Finish finish);
  void Install(const EntryPtr& entry, LaneState state);
  using MakeSpec = std::move_only_function<Result<Spec>(const Entry& old)>;
  void ChangeNow(const std::string& name, MakeSpec make, std::string who, Answer done,
                 Finish finish);
  void ApplyOnLoop(const EntryPtr& entry, Spec spec, std::string who, Answer done, Finish finish);
  void Changed(const EntryPtr& entry, Spec spec, const Status& status, Answer done, Finish finish);
  void StatusChanged(const EntryPtr& entry, const Status& written, Done<std::string> done,
                     Finish finish);
  void DeleteNow(const std::string& name, Done<void> done, Finish finish);
  void Deleted(const EntryPtr& entry, std::shared_ptr<const DeletedLane> lane);
  void Uninstall(const EntryPtr& entry);
  void PutStatus(const EntryPtr& entry, StoredLane stored, Done<std::string> done, Finish finish);
  void SetStatus(std::string name, LaneStatus status, std::string reason, Done<std::string> done);
  void OnCommitter(std::move_only_function<void(const Status&)> task);

  // What a new destination is made of: id, rows, the lane's state.
  struct Birth {
    EntryPtr entry;
    LaneState state;
    store::Batch batch;
  };
  Result<Birth> MakeBirth(Spec spec, bool declared, const std::string& who);
  Result<std::vector<log::Offset>> StartOffsets(const std::string& start) const;
  Result<LaneSettings> SettingsOf(const Spec& spec, std::uint32_t revision,
                                  const std::shared_ptr<LoopState>& loop,
                                  Witness* witness = nullptr) const;
  Result<std::shared_ptr<const Matcher>> MatcherOf(const Spec& spec) const;
  std::shared_ptr<const Program> MappingOf(const Spec& spec) const;
  std::string EncodeDestination(const Entry& entry, const Spec& spec, std::uint32_t revision) const;
  std::string EncodeRevision(const Spec& spec, const std::vector<log::Offset>& from) const;
  LaneWorld LaneWorldOf(LoopState& loop) const;
  std::shared_ptr<LoopState> NextLoop();
  void AddGauges(Entry& entry);
  void AddMetaGauges();

  // engine_rotate.cc: `made` is the new secret when it was not given.
  Result<Spec> Rotated(const Entry& entry, std::string_view request, std::string& made) const;

  // engine_view.cc
  EntryPtr Find(std::string_view name) const;
  Spec SpecOf(const Entry& entry) const;     // takes the mutex
  std::vector<LaneRef> LaneRefs() const;     // in order of their ids
  std::vector<LaneRef> AllLaneRefs() const;  // also those of deleted destinations
  Result<EntryPtr> FindForChange(std::string_view name) const;
  std::string JsonOf(const Entry& entry) const;  // takes the mutex
  std::string JsonLocked(const Entry& entry) const;

  // engine_trace.cc
  // `stored`: every row of the pairs is by now; else it is asked again where a reason is not.
  void TraceRecord(const std::shared_ptr<const log::Log::Found>& found, bool stored,
                   Done<std::vector<PairTrace>> done);

  EngineWorld world_;
  EngineOptions options_;
  SpecReader reader_;
  SpecVault vault_;
  RevisionTable revision_table_;
  Committer committer_;
  std::vector<std::shared_ptr<LoopState>> loops_;
  std::shared_ptr<Waker> waker_ = std::make_shared<Waker>();
  EngineDeclared declared_{*this};
  std::size_t next_loop_ = 0;
  std::uint32_t next_id_ = 1;  // committer thread (or Load)
  bool unsynced_ = false;      // Load() only

  DeliveriesWorld DeliveriesWorldOf();
  std::unique_ptr<DeadLetterService> dead_letters_;
  std::unique_ptr<DeliveriesService> deliveries_;
  std::unique_ptr<AuditService> audit_;

  // Gone with the engine: a task that is left on a loop then does nothing.
  const std::shared_ptr<int> alive_ = std::make_shared<int>();
  mutable std::mutex mutex_;
  std::map<std::string, EntryPtr, std::less<>> by_name_;
  std::deque<Change> changes_;
  bool changing_ = false;
  bool closing_ = false;
  bool started_ = false;
  DeletedLanes deleted_lanes_;
  std::shared_ptr<Pruner> pruner_;
  EngineDryRuns dry_runs_{*this};
  std::unique_ptr<MetaEventWriter> meta_;
  std::vector<std::uint64_t> gauges_;
  std::unique_ptr<ReplayTable> replay_table_;
  std::unique_ptr<TrialTable> trial_table_;
};

}  // namespace tributary::deliver
