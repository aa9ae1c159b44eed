#include "sim/log_rig.h"

#include "base/check.h"

namespace tributary::sim {
namespace {

// Large enough for every path of a test to end, small enough to find one that does not.
constexpr int kStepsMax = 1'000'000;

}  // namespace

std::unique_ptr<log::Batch> BatchOf(const std::vector<std::string>& payloads, UnixMicros now) {
  auto batch = std::make_unique<log::Batch>();
  for (const std::string& payload : payloads) {
    log::RecordFields fields;
    fields.received_at_us = now;
    fields.event_time_us = now - 1'000;
    fields.source = 1;
    fields.type = log::EventType::kTrack;
    const std::string key = "key-of-" + payload.substr(0, 4);
    fields.key = key;
    fields.name = "Order Completed";
    const std::string message_id = "id-" + payload.substr(0, 40);
    fields.message_id = message_id;
    CHECK(batch->Add(fields, payload).has_value());
  }
  return batch;
}

LogRig::LogRig(std::uint64_t seed)
    : random(seed), own_fs_(std::make_unique<SimFs>()), fs_(own_fs_.get()) {
  options.dir = kDir;
  options.segment_bytes = 64 * 1024;
  options.first_segment_bytes = 16 * 1024;
  options.reserve_bytes = 0;
  CHECK(fs_->CreateDir("data").has_value());
  CHECK(fs_->SyncDir(".").has_value());
}

LogRig::LogRig(SimFs& fs, std::uint64_t seed) : LogRig(seed) {
  fs_ = &fs;
}

LogRig::~LogRig() = default;

Status LogRig::Open() {
  log_.reset();
  TRY_ASSIGN(log_, log::SegmentedLog::Open({fs_, &clock, &random}, options));
  return {};
}

void LogRig::CloseCleanly() {
  log_->Close();
  for (int i = 0; i < kStepsMax && !log_->closed(); ++i) log_->WriterStep();
  CHECK(log_->closed());
  Drop();
}

void LogRig::Settle() {
  for (int i = 0; i < kStepsMax; ++i) {
    const bool wrote = log_->WriterStep();
    if (!log_->MaintainStep() && !wrote) return;
  }
  CHECK(!"the log never comes to rest");
}

void LogRig::Idle() {
  clock.Advance(100 * kNanosPerMilli);
  Settle();
}

LogRig::OutcomePtr LogRig::Append(const std::vector<std::string>& payloads) {
  auto batch = BatchOf(payloads, clock.Now());
  auto outcome = std::make_shared<Outcome>();
  refusal = log_->Append(0, batch, [outcome](const Result<log::Appended>& result) {
    outcome->answered = true;
    outcome->result = result;
  });
  return refusal ? outcome : nullptr;
}

Result<log::Offset> LogRig::Put(const std::vector<std::string>& payloads) {
  const OutcomePtr outcome = Append(payloads);
  if (outcome == nullptr) return Fail(refusal.error());
  for (int i = 0; i < kStepsMax && !outcome->answered; ++i) log_->WriterStep();
  if (!outcome->result) return Fail(outcome->result.error());
  return outcome->result->first;
}

std::map<log::Offset, std::string> LogRig::ReadAll(log::Offset from) {
  std::map<log::Offset, std::string> records;
  for (;;) {
    const auto chunk = log_->Read(0, from, 4096);
    if (!chunk) {
      CHECK(chunk.error().code() == ErrorCode::kNotFound);
      return records;
    }
    for (const log::RecordView& record : (*chunk)->From(from)) {
      CHECK_OP(record.offset, >=, from);
      records.emplace(record.offset, record.payload);
    }
    CHECK_OP((*chunk)->end(), >, from);
    from = (*chunk)->end();
  }
}

std::vector<std::string> LogRig::SegmentFiles() {
  std::vector<std::string> names;
  const auto all = fs_->List(kPartitionDir);
  CHECK(all.has_value());
  for (const std::string& name : *all) {
    if (name.ends_with("seg")) names.push_back(name);
  }
  return names;
}

}  // namespace tributary::sim
