// The sources that there are, and which write key opens which.
//
// A snapshot is immutable; a change makes a new one, which each loop is handed by a task on its
// own thread before the change is answered, so an event accepted after the 2xx meets the new state.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ingest/write_key.h"
#include "log/record.h"
#include "os/random.h"

namespace tributary::ingest {

enum class Ack : std::uint8_t { kDurable, kApplied };

struct SourceSpec {
  log::SourceId id = 0;  // given once, never reused, in every record header
  std::string name;
  std::vector<WriteKey> write_keys;
  bool enabled = true;
  bool keyless = false;  // takes the seed's POST /track without a key
  bool browser = false;  // fill context.ip from the connection (client-side keys)
  Ack ack = Ack::kDurable;
  std::size_t event_bytes_max = 32 * 1024;
  std::size_t batch_bytes_max = 500 * 1024;
  bool declared = false;         // by the configuration: its specification is read-only at run time
  bool unlisted = false;         // declared once, no longer: takes nothing, and may be deleted
  UnixMicros created_at_us = 0;  // 0: not known
  UnixMicros deleted_at_us = 0;  // not 0: only its name and number are left, for its old events

  bool takes() const { return enabled && !unlisted; }
};

// What a write key opened; both nullptr, or neither.
struct KeyMatch {
  const SourceSpec* source = nullptr;
  const WriteKey* key = nullptr;
};

class SourceSnapshot {
 public:
  // Deleted ones among `sources` are kept apart: only FindById and IdsOfName know them.
  explicit SourceSnapshot(std::vector<SourceSpec> sources);
  SourceSnapshot(SourceSnapshot&&) = default;  // a copy's maps would point into the original
  SourceSnapshot(const SourceSnapshot&) = delete;
  // By the key's SHA-256, so that time says nothing about a key that is nearly right. Whether the
  // key opens at this moment is for the caller to ask (WriteKey::opens).
  KeyMatch FindByKey(std::string_view write_key) const;
  const SourceSpec* FindByName(std::string_view name) const;
  const SourceSpec* FindById(log::SourceId id) const;
  // Every number that a source of this name ever had, as far as they are remembered.
  std::vector<log::SourceId> IdsOfName(std::string_view name) const;
  const SourceSpec* keyless() const;  // the source of keyless requests, or nullptr
  const std::vector<SourceSpec>& all() const { return sources_; }
  const std::vector<SourceSpec>& deleted() const { return deleted_; }
  std::size_t batch_bytes_max() const { return batch_bytes_max_; }  // the largest of all

 private:
  std::vector<SourceSpec> sources_;
  std::vector<SourceSpec> deleted_;
  std::unordered_map<std::string, KeyMatch> by_digest_;
  std::unordered_map<std::string_view, const SourceSpec*> by_name_;
  std::unordered_map<log::SourceId, const SourceSpec*> by_id_;
  std::size_t batch_bytes_max_ = 0;
};

// One per loop; the loop's thread only.
class SourceDirectory {
 public:
  explicit SourceDirectory(os::Random& random);
  const SourceSnapshot& current() const { return *snapshot_; }
  void Set(std::shared_ptr<const SourceSnapshot> snapshot);
  // As the snapshot's; a key that was right before is not hashed again (SHA-256 costs as much as
  // parsing a small event). What is remembered are at most kKeysRememberedMax keys that are right.
  KeyMatch FindByKey(std::string_view write_key) const;

 private:
  struct Remembered {
    std::string write_key;
    KeyMatch match;
  };
  std::shared_ptr<const SourceSnapshot> snapshot_;
  mutable std::unordered_map<std::uint64_t, Remembered> remembered_;
  std::uint64_t seed_ = 0;  // so that nobody can choose keys that collide
};
inline constexpr std::size_t kKeysRememberedMax = 4096;

}  // namespace tributary::ingest
