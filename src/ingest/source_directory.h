// The sources that are declared, and which write key opens which.
//
// A directory is immutable; a change makes a new one, which each loop is handed by a task on its
// own thread before the change is answered, so an event accepted after the 2xx meets the new state.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "log/record.h"

namespace tributary::ingest {

enum class Ack : std::uint8_t { kDurable, kApplied };

struct SourceSpec {
  log::SourceId id = 0;  // given once, never reused, in every record header
  std::string name;
  std::vector<std::string> write_keys;
  bool enabled = true;
  bool keyless = false;  // takes the seed's POST /track without a key
  bool browser = false;  // fill context.ip from the connection (client-side keys)
  Ack ack = Ack::kDurable;
  std::size_t event_bytes_max = 32 * 1024;
  std::size_t batch_bytes_max = 500 * 1024;
};

class SourceSnapshot {
 public:
  explicit SourceSnapshot(std::vector<SourceSpec> sources);
  // Looks the key up by a keyed hash and compares in constant time; nullptr when unknown.
  const SourceSpec* FindByKey(std::string_view write_key) const;
  const SourceSpec* FindByName(std::string_view name) const;
  const SourceSpec* FindById(log::SourceId id) const;
  const SourceSpec* keyless() const;  // the source of keyless requests, or nullptr
  const std::vector<SourceSpec>& all() const { return sources_; }

 private:
  std::vector<SourceSpec> sources_;
  std::unordered_multimap<std::uint64_t, std::pair<std::size_t, std::size_t>> by_key_;
  std::uint64_t seed_ = 0;
};

// One per loop; the loop's thread only.
class SourceDirectory {
 public:
  const SourceSnapshot& current() const { return *snapshot_; }
  void Set(std::shared_ptr<const SourceSnapshot> snapshot) { snapshot_ = std::move(snapshot); }

 private:
  std::shared_ptr<const SourceSnapshot> snapshot_ =
      std::make_shared<SourceSnapshot>(std::vector<SourceSpec>{});
};

}  // namespace tributary::ingest
