#include "control/idempotency.h"

#include <nlohmann/json.hpp>

#include "codec/base64.h"
#include "codec/hmac.h"
#include "config/json_text.h"
#include "store/keys.h"

namespace tributary::control {
namespace {

using nlohmann::json;
using store::Family;
using store::Visit;
namespace keys = store::keys;

constexpr char kIdempotencyVersion = 1;

std::string Context(std::string_view row) {
  return "idempotency/" + std::string(row);
}

json Parsed(std::string_view value) {
  if (value.empty() || value.front() != kIdempotencyVersion) return json::value_t::discarded;
  return json::parse(value.substr(1), nullptr, false);
}

}  // namespace

std::string Idempotency::RowOf(std::string_view who, std::string_view key) {
  std::string text(who);
  text += '\0';
  text += key;
  return std::string(codec::AsText(codec::Sha256Of(text)).substr(0, keys::kIdempotencyRowBytes));
}

Status Idempotency::Load() {
  return world_.store->ScanPrefix(Family::kOwned, keys::AllIdempotency(),
                                  [this](std::string_view key, std::string_view value) {
                                    const auto name = keys::ParseIdempotency(key);
                                    const json stored = Parsed(value);
                                    if (!name || !stored.is_object()) return Visit::kContinue;
                                    const bool answered = stored.contains("answer");
                                    Row row{.at_us = stored.value("at_us", UnixMicros{0}),
                                            .fingerprint = stored.value("fingerprint", ""),
                                            .state = answered ? State::kAnswered : State::kUnknown,
                                            .bytes = value.size() + kIdempotencyRowBytes};
                                    by_age_.emplace(row.at_us, *name);
                                    bytes_ += row.bytes;
                                    rows_.emplace(*name, std::move(row));
                                    return Visit::kContinue;
                                  });
}

Idempotency::State Idempotency::Begin(const std::string& row, const std::string& fingerprint,
                                      store::Batch& batch) {
  const std::lock_guard lock(mutex_);
  const UnixMicros now_us = world_.clock->Now();
  ForgetLocked(now_us, batch);
  if (const auto known = rows_.find(row); known != rows_.end()) {
    return known->second.fingerprint == fingerprint ? known->second.state : State::kOther;
  }
  const json stored = {{"at_us", now_us}, {"fingerprint", fingerprint}};
  batch.Put(Family::kOwned, keys::Idempotency(row), kIdempotencyVersion + stored.dump());
  rows_[row] = {.at_us = now_us, .fingerprint = fingerprint, .bytes = kIdempotencyRowBytes};
  by_age_.emplace(now_us, row);
  bytes_ += kIdempotencyRowBytes;
  return State::kNew;
}

// What is being done stays: its repeat must not be done a second time.
void Idempotency::ForgetLocked(UnixMicros now_us, store::Batch& batch) {
  for (auto it = by_age_.begin(); it != by_age_.end();) {
    const auto row = rows_.find(it->second);
    const bool old = it->first + kIdempotencyAge <= now_us;
    const bool full = rows_.size() >= world_.rows_max || bytes_ >= world_.bytes_max;
    if (!old && !full) return;
    ++it;
    if (row->second.state != State::kRunning) EraseLocked(row, &batch);
  }
}

void Idempotency::EraseLocked(Rows::iterator row, store::Batch* batch) {
  const auto [begin, end] = by_age_.equal_range(row->second.at_us);
  for (auto it = begin; it != end; ++it) {
    if (it->second != row->first) continue;
    by_age_.erase(it);
    break;
  }
  bytes_ -= row->second.bytes;
  if (batch != nullptr) batch->Delete(Family::kOwned, keys::Idempotency(row->first));
  rows_.erase(row);
}

Result<RememberedAnswer> Idempotency::Replay(const std::string& row) const {
  TRY_ASSIGN(const auto value, world_.store->Get(Family::kOwned, keys::Idempotency(row)));
  const json stored = value ? Parsed(*value) : json(json::value_t::discarded);
  if (!stored.is_object() || !stored.contains("answer") || !stored["answer"].is_string()) {
    return Fail(ErrorCode::kCorrupt, "a remembered answer is broken");
  }
  TRY_ASSIGN(const std::string sealed,
             codec::Base64Decode(stored["answer"].get<std::string>(), codec::Base64::kUrl));
  TRY_ASSIGN(const std::string plain, world_.sealer->Open(sealed, Context(row)));
  const json answer = json::parse(plain, nullptr, false);
  if (!answer.is_object()) return Fail(ErrorCode::kCorrupt, "a remembered answer is broken");
  return RememberedAnswer{.status = answer.value("status", 200),
                          .content_type = answer.value("content_type", ""),
                          .body = answer.value("body", "")};
}

void Idempotency::End(const std::string& row, const std::string& fingerprint,
                      const RememberedAnswer& answer, store::Batch& batch) {
  const json plain = {
      {"status", answer.status}, {"content_type", answer.content_type}, {"body", answer.body}};
  const std::string sealed = world_.sealer->Seal(config::DumpText(plain), Context(row));
  const std::lock_guard lock(mutex_);
  const auto known = rows_.find(row);
  if (known == rows_.end()) return;
  const json stored = {{"at_us", known->second.at_us},
                       {"fingerprint", fingerprint},
                       {"answer", codec::Base64UrlEncode(sealed)}};
  std::string value = kIdempotencyVersion + stored.dump();
  bytes_ += value.size();
  known->second.bytes += value.size();
  batch.Put(Family::kOwned, keys::Idempotency(row), std::move(value));
}

void Idempotency::Ended(const std::string& row, bool written) {
  const std::lock_guard lock(mutex_);
  const auto known = rows_.find(row);
  if (known != rows_.end()) known->second.state = written ? State::kAnswered : State::kUnknown;
}

void Idempotency::Drop(const std::string& row, store::Batch& batch) {
  const std::lock_guard lock(mutex_);
  const auto known = rows_.find(row);
  if (known != rows_.end()) EraseLocked(known, &batch);
}

}  // namespace tributary::control
