// A log on a simulated machine, driven step by step: what unit tests and the power-loss tests of
// the log share. Small segments, so that everything rolls.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "log/open.h"
#include "sim/sim_clock.h"
#include "sim/sim_fs.h"
#include "sim/sim_random.h"

namespace tributary::sim {

class LogRig {
 public:
  static constexpr const char* kDir = "data/log";
  static constexpr const char* kPartitionDir = "data/log/p0";

  explicit LogRig(std::uint64_t seed = 1);
  // On another file system than its own; it must outlive the rig.
  explicit LogRig(SimFs& fs, std::uint64_t seed = 1);
  ~LogRig();

  // ---- World
  SimFs& fs() { return *fs_; }
  SimClock clock;
  SimRandom random;
  log::LogOptions options;

  // ---- Life
  Status Open();
  log::SegmentedLog& log() { return *log_; }
  bool is_open() const { return log_ != nullptr; }
  void Drop() { log_.reset(); }  // the process dies
  void CloseCleanly();           // drains, writes the last mark, then drops
  // Runs writer and maintenance until neither has anything to do.
  void Settle();
  // Lets the idle mark be written.
  void Idle();

  // ---- Appending and what came of it
  struct Outcome {
    bool answered = false;
    Result<log::Appended> result = Fail(ErrorCode::kInternal, "not answered yet");
  };
  using OutcomePtr = std::shared_ptr<Outcome>;
  // One record per payload, in one batch. Null when Append refused it; `refusal` says why.
  OutcomePtr Append(const std::vector<std::string>& payloads);
  // Append, writer steps, and the first offset; fails when it was not acknowledged.
  Result<log::Offset> Put(const std::vector<std::string>& payloads);
  Result<log::Offset> Put(const std::string& payload) { return Put(std::vector{payload}); }
  Status refusal;

  // ---- Reading
  // Every readable record from `from` on: offset → payload.
  std::map<log::Offset, std::string> ReadAll(log::Offset from = 0);
  // Names of the segment files, in order.
  std::vector<std::string> SegmentFiles();
  std::string PathOf(const std::string& name) const {
    return std::string(kPartitionDir) + "/" + name;
  }

 private:
  std::unique_ptr<SimFs> own_fs_;
  SimFs* fs_;
  std::unique_ptr<log::SegmentedLog> log_;
};

// A batch of records with varied headers, as tests need them.
std::unique_ptr<log::Batch> BatchOf(const std::vector<std::string>& payloads, UnixMicros now);

}  // namespace tributary::sim
