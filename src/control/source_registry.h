// All sources: those of the configuration and those made at run time. Owns what the store has of
// them, and hands every loop a new snapshot when one changes.
//
// Durability. A change is in the store, synced, and in force on every loop before its `done` is
// called with success: an event accepted after that is treated by the new state.
//
// Errors. kInvalid with the field (400), kNotFound (404), kConflict: the name or key is taken, or
// the source is declared in the configuration (409), kExhausted past kSourcesMax or kWriteKeysMax
// (507), kUnavailable: the store failed (503).
//
// Threads. Changes (with a Done): on a thread that may block; `done` comes on that thread or on a
// loop's, where it must only post. Everything else: any thread.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/settings.h"
#include "control/source_keys.h"
#include "ingest/source_directory.h"
#include "os/clock.h"
#include "os/executor.h"
#include "os/random.h"
#include "store/store.h"

namespace tributary::control {

inline constexpr std::size_t kSourcesMax = 10'000;
inline constexpr std::size_t kDeletedSourcesMax = 10'000;  // past it the oldest are forgotten
inline constexpr std::size_t kWriteKeysMax = 100;          // of one source

class SourceRegistry {
 public:
  struct World {
    store::Store* store = nullptr;
    os::Clock* clock = nullptr;
    os::Random* random = nullptr;
  };
  // Reads what there is, and gives the sources of the configuration their numbers, durably.
  // kConflict when one has the name or a key of a source made at run time. May block.
  static Result<std::unique_ptr<SourceRegistry>> Open(
      const World& world, const std::vector<config::SourceSettings>& declared);

  // From now on `directory` has the newest snapshot. Before the loop runs; both live as long as it.
  void Subscribe(os::Executor& loop, ingest::SourceDirectory& directory);

  std::shared_ptr<const ingest::SourceSnapshot> current() const;
  std::optional<log::SourceId> IdOf(std::string_view name) const;

  using Changed = SourceChanged;
  template <class T>
  using Done = std::move_only_function<void(Result<T>)>;
  // A body is what an entry of `sources` in the configuration is; without a key of its own a new
  // source gets one, which this answer alone shows whole.
  void Create(std::string_view json_text, Done<Changed> done);
  void Put(std::string_view name, std::string_view json_text, Done<Changed> done);
  void Patch(std::string_view name, std::string_view json_text, Done<Changed> done);
  void Delete(std::string_view name, Done<Changed> done);
  // {"scopes"?,"key"?,"expires_at"?}
  void AddKey(std::string_view name, std::string_view json_text, Done<Changed> done);
  // {"overlap"?,"scopes"?}: a new key; the others end after the overlap.
  void RotateKeys(std::string_view name, std::string_view json_text, Done<Changed> done);
  void EnableKey(std::string_view name, std::string_view key_id, bool enabled, Done<Changed> done);
  void DeleteKey(std::string_view name, std::string_view key_id, Done<Changed> done);

  // What the configuration says instead of what it said before; all of it or, on an error, nothing.
  // Sources that it no longer names are paused and keep their number.
  Status CheckDeclared(const std::vector<config::SourceSettings>& declared) const;
  void ApplyDeclared(const std::vector<config::SourceSettings>& declared, Done<Changed> done);

  UnixMicros Now() const { return world_.clock->Now(); }

 private:
  struct Loop {
    os::Executor* executor = nullptr;
    ingest::SourceDirectory* directory = nullptr;
  };
  using Sources = std::vector<ingest::SourceSpec>;
  // A change: what to write, what is then, what to answer.
  struct Draft {
    Sources sources;  // deleted ones too
    store::Batch batch;
    Changed answer;
    std::uint32_t next_id = 0;
  };

  explicit SourceRegistry(const World& world) : world_(world) {}
  Status Load();
  Draft Begin() const;
  void Finish(Result<Draft> draft, Done<Changed> done);
  void Publish(std::move_only_function<void()> done);

  Status Declare(Draft& draft, const std::vector<config::SourceSettings>& declared) const;
  Result<Draft> MakeNew(const config::SourceSettings& settings) const;
  Result<Draft> MakeChanged(std::string_view name, const config::SourceSettings& settings) const;
  using KeyChange = std::function<Result<Changed>(ingest::SourceSpec& source)>;
  void ChangeKeys(std::string_view name, Done<Changed> done, const KeyChange& change);
  void Give(Draft& draft, ingest::SourceSpec& source) const;  // its number
  static void Save(Draft& draft, const ingest::SourceSpec& source);
  static void ForgetOldest(Draft& draft);
  static Status CheckRoom(const Sources& sources);
  static Status CheckUnique(const Sources& sources);
  static Result<ingest::SourceSpec*> ForChange(Draft& draft, std::string_view name);

  const World world_;
  mutable std::mutex changing_;  // one change at a time; held while the store syncs
  std::uint32_t next_id_ = 1;    // under changing_

  mutable std::mutex mutex_;  // never held for long: guards what follows
  std::shared_ptr<const ingest::SourceSnapshot> snapshot_;
  std::vector<Loop> loops_;
};

}  // namespace tributary::control
