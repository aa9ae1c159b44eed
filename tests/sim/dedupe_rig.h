// The dedupe stage on a simulated machine, over a log in memory with four partitions: what its
// tests share. The log outlives every crash, as the part of the real one that was synced does.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "dedupe/dedupe.h"
#include "sim/sim_clock.h"
#include "sim/sim_fs.h"
#include "sim/sim_random.h"
#include "support/memory_log.h"

namespace tributary::sim {

struct DedupeRig {
  static constexpr const char* kDir = "data/dedupe";
  static constexpr const char* kLogDir = "data/log";

  explicit DedupeRig(std::uint64_t segment_records = 100,
                     std::uint32_t partitions = test::MemoryLog::kPartitions)
      : log(partitions) {
    for (const char* dir : {"data", kDir, kLogDir}) EXPECT_TRUE(fs.CreateDir(dir));
    for (std::uint32_t p = 0; p < partitions; ++p) {
      EXPECT_TRUE(fs.CreateDir(std::string(kLogDir) + "/p" + std::to_string(p)));
    }
    EXPECT_TRUE(fs.SyncDir("."));
    EXPECT_TRUE(fs.SyncDir("data"));
    EXPECT_TRUE(fs.SyncDir(kLogDir));
    log.SetSegments(segment_records, kLogDir);
    options.dir = kDir;
  }
  ~DedupeRig() { Drop(); }

  // Every damage and every failure is named in a log line; tests that cause thousands do without.
  static void Hush() { testing::internal::CaptureStderr(); }
  static void Unhush() { testing::internal::GetCapturedStderr(); }

  // ---- Life
  Status Open() {
    Drop();
    registry = std::make_unique<metrics::Registry>();
    auto opened = dedupe::Dedupe::Open({&fs, &clock, &random, &log, registry.get()}, options);
    if (!opened) return std::unexpected(opened.error());
    stage = *opened;
    return {};
  }
  void MustOpen() {
    const Status opened = Open();
    ASSERT_TRUE(opened) << opened.error().ToString();
  }
  void Drop() {
    if (stage != nullptr) log.RemoveHolder(stage.get());
    stage = nullptr;
    registry = nullptr;
  }
  void Restart() {
    Drop();
    fs.Reboot();
    MustOpen();
  }
  // Everything that can be done now, without time passing.
  void Settle() {
    while (stage->Step()) {
    }
  }
  // Settles, and lets the verdicts become durable.
  void Sync() {
    Settle();
    stage->RequestSync();
    clock.Advance(30 * kNanosPerMilli);
    Settle();
  }

  // ---- Records
  log::RecordFields Fields(log::SourceId source, std::string_view id) const {
    log::RecordFields fields;
    fields.received_at_us = now_s * kMicrosPerSecond;
    fields.source = source;
    fields.message_id = id;
    return fields;
  }
  log::Offset Append(log::Partition partition, const std::vector<log::RecordFields>& records) {
    auto batch = std::make_unique<log::Batch>();
    for (const log::RecordFields& fields : records) EXPECT_TRUE(batch->Add(fields, "{}"));
    log::Offset first = 0;
    EXPECT_TRUE(log.Append(
        partition, batch, [&](const Result<log::Appended>& appended) { first = appended->first; }));
    return first;
  }
  log::Offset Put(log::Partition partition, log::SourceId source, std::string_view id) {
    return Append(partition, {Fields(source, id)});
  }
  // `count` events whose ids nobody else has.
  void PutOthers(log::Partition partition, std::size_t count) {
    std::vector<std::string> ids;
    for (std::size_t i = 0; i < count; ++i) ids.push_back("other-" + std::to_string(others++));
    std::vector<log::RecordFields> records;
    for (const std::string& id : ids) records.push_back(Fields(9, id));
    Append(partition, records);
  }

  // ---- What came of it
  std::vector<bool> Verdicts(log::Partition partition) const {
    return stage->Duplicates(partition, 0, stage->decided(partition));
  }
  std::vector<std::string> Files(std::string_view suffix) const {
    std::vector<std::string> out;
    for (const std::string& path : fs.Files()) {
      if (path.ends_with(suffix)) out.push_back(path);
    }
    return out;
  }
  std::uint64_t Metric(const std::string& name) const {
    const std::string text = registry->Expose();
    const std::size_t at = text.find("\n" + name + " ");
    return at == std::string::npos ? 0 : std::stoull(text.substr(at + name.size() + 2));
  }

  SimFs fs;
  SimClock clock;
  SimRandom random{1};
  test::MemoryLog log;
  std::unique_ptr<metrics::Registry> registry;
  dedupe::DedupeOptions options;
  std::shared_ptr<dedupe::Dedupe> stage;
  std::int64_t now_s = 1'790'000'000;
  std::size_t others = 0;
};

}  // namespace tributary::sim
