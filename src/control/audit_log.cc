#include "control/audit_log.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <nlohmann/json.hpp>

#include "codec/base64.h"
#include "config/json_text.h"
#include "store/keys.h"

namespace tributary::control {
namespace {

using nlohmann::json;
using store::Family;
using store::Visit;
namespace keys = store::keys;

constexpr char kAuditRecordVersion = 1;
constexpr std::size_t kTrimAtOnce = 1'000;

json Parsed(const std::string& text) {
  if (text.empty()) return nullptr;
  if (text.size() > kAuditTextBytesMax) return {{"left_out_bytes", text.size()}};
  json value = json::parse(text, nullptr, false);
  return value.is_discarded() ? json(nullptr) : value;
}

std::string IdOf(AuditLog::Place place) {
  return "aud_" + codec::Base64UrlEncode(keys::Audit(place.at_us, place.sequence).substr(1));
}

std::string Encode(AuditLog::Place place, const AuditRecord& record) {
  const json value = {
      {"id", IdOf(place)},
      {"at", FormatIso8601(place.at_us)},
      {"who", record.who},
      {"address", record.address},
      {"action", record.action},
      {"path", record.path},
      {"subject",
       record.kind.empty() ? json(nullptr) : json{{"kind", record.kind}, {"name", record.name}}},
      {"request", Parsed(record.request)},
      {"before", Parsed(record.before)},
      {"after", Parsed(record.after)},
      {"status", record.status == 0 ? json(nullptr) : json(record.status)}};
  return kAuditRecordVersion + config::DumpText(value);
}

bool NamesASecret(std::string name) {
  static constexpr std::array<std::string_view, 8> kWords = {
      "secret", "token", "password", "passwd", "authorization", "credential", "key", "cookie"};
  for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return std::ranges::any_of(kWords, [&](auto word) { return name.contains(word); });
}

void Redact(json& value, bool secret) {
  if (value.is_object()) {
    for (auto& [name, member] : value.items()) {
      Redact(member, secret || NamesASecret(name) || name == "headers");
    }
  } else if (value.is_array()) {
    for (json& member : value) Redact(member, secret);
  } else if (secret && !value.is_null() && !value.is_boolean()) {
    value = "***";
  }
}

}  // namespace

AuditLog::Place AuditLog::Begin(const AuditRecord& record, store::Batch& batch) {
  const std::lock_guard lock(mutex_);
  Place place{.at_us = std::max(clock_.Now(), last_.at_us), .sequence = 0};
  if (place.at_us == last_.at_us) place.sequence = last_.sequence + 1;
  last_ = place;
  TrimLocked(batch);
  batch.Put(Family::kOwned, keys::Audit(place.at_us, place.sequence), Encode(place, record));
  return place;
}

// Counts once, when the first record of this process is written.
void AuditLog::TrimLocked(store::Batch& batch) {
  if (!count_) {
    count_ = 0;
    (void)store_.ScanPrefix(Family::kOwned, keys::AllAudit(),
                            [this](std::string_view, std::string_view) {
                              ++*count_;
                              return Visit::kContinue;
                            });
  }
  if (++*count_ <= records_max_) return;
  const std::size_t over =
      std::max(*count_ - records_max_, std::min(kTrimAtOnce, records_max_ / 10));
  std::size_t trimmed = 0;
  (void)store_.ScanPrefix(Family::kOwned, keys::AllAudit(),
                          [&](std::string_view key, std::string_view) {
                            batch.Delete(Family::kOwned, std::string(key));
                            return ++trimmed < over ? Visit::kContinue : Visit::kStop;
                          });
  *count_ -= std::min(*count_, trimmed);
}

void AuditLog::End(Place place, const AuditRecord& record, store::Batch& batch) const {
  batch.Put(Family::kOwned, keys::Audit(place.at_us, place.sequence), Encode(place, record));
}

void AuditLog::Drop(Place place, store::Batch& batch) {
  const std::lock_guard lock(mutex_);
  batch.Delete(Family::kOwned, keys::Audit(place.at_us, place.sequence));
  if (count_ && *count_ > 0) --*count_;
}

Result<AuditLog::Page> AuditLog::List(std::string_view cursor, std::size_t limit) const {
  const std::string first = keys::AllAudit();
  std::string end = store::PrefixEnd(first);
  if (!cursor.empty()) {
    const auto after = codec::Base64Decode(cursor, codec::Base64::kUrl);
    if (!after || !keys::ParseAudit(first + *after)) {
      return Fail(ErrorCode::kInvalid, "cursor", "cursor must be the next_cursor of a page before");
    }
    end = first + *after;
  }
  Page page;
  std::string last;
  TRY(store_.Scan(Family::kOwned, first, end, true,
                  [&](std::string_view key, std::string_view value) {
                    if (page.data.size() == limit) {
                      page.next_cursor = codec::Base64UrlEncode(std::string_view(last).substr(1));
                      return Visit::kStop;
                    }
                    page.data.emplace_back(value.substr(std::min<std::size_t>(1, value.size())));
                    last = key;
                    return Visit::kContinue;
                  }));
  return page;
}

// Nobody has judged the text yet, and Redact() goes as deep as it does.
std::string Redacted(std::string_view json_text) {
  constexpr int kDepthMax = 64;
  if (json_text.size() > kAuditTextBytesMax) {
    return R"({"left_out_bytes":)" + std::to_string(json_text.size()) + "}";
  }
  auto value = config::ParseJson(json_text, kAuditTextBytesMax, kDepthMax);
  if (!value) return {};
  Redact(*value, false);
  return config::DumpText(*value);
}

}  // namespace tributary::control
