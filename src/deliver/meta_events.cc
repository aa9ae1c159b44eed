#include "deliver/meta_events.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "config/json_text.h"

namespace tributary::deliver {

using nlohmann::json;

namespace {

constexpr std::size_t kReasonBytesMax = 512;

std::string NewId(os::Random& random) {
  std::array<unsigned char, 16> bytes;
  random.Fill(bytes);
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string id = "sys_";
  for (const unsigned char byte : bytes) {
    id += kHex[byte >> 4];
    id += kHex[byte & 15];
  }
  return id;
}

}  // namespace

std::string_view MetaEventType(MetaEvent what) {
  constexpr std::array<std::string_view, 5> kTypes{
      "destination.breaker_opened", "destination.breaker_closed", "destination.disabled",
      "event.dead_lettered", "event.retention_lost"};
  return kTypes.at(static_cast<std::size_t>(what));
}

void MetaEventWriter::Note(MetaEvent what, const MetaSubject& subject, std::string_view reason,
                           std::uint64_t count, std::string_view delivery_id) {
  const UnixMicros now = world_.clock->Now();
  const std::lock_guard lock(mutex_);
  const Key key{subject.lane, what};
  auto found = waiting_.find(key);
  if (found == waiting_.end()) {
    if (waiting_.size() >= kMetaEventsWaitingMax) {
      ++counts_->lost;
      return;
    }
    found = waiting_
                .emplace(key, Notice{.destination = subject.destination,
                                     .name = std::string(subject.name),
                                     .replay = std::string(subject.replay),
                                     .reason = {},
                                     .delivery_id = std::string(delivery_id),
                                     .at_us = now})
                .first;
  }
  found->second.count += count;
  found->second.reason = reason.substr(0, kReasonBytesMax);
  Arm();
}

// Under the mutex. The first notice after a quiet second leaves at once, the others with the next
// second's.
void MetaEventWriter::Arm() {
  if (std::exchange(armed_, true)) return;
  world_.executor->Post([this, alive = std::weak_ptr(alive_), at = next_ns_] {
    if (alive.expired()) return;
    world_.executor->At(std::max(at, world_.executor->Now()), [this, alive] {
      if (!alive.expired()) Flush();
    });
  });
}

void MetaEventWriter::Flush() {
  std::map<Key, Notice> notices;
  {
    const std::lock_guard lock(mutex_);
    notices.swap(waiting_);
    armed_ = false;
    next_ns_ = world_.executor->Now() + kMetaEventsEvery;
  }
  std::vector<std::pair<MetaEvent, const Notice*>> in_order;
  in_order.reserve(notices.size());
  for (const auto& [key, notice] : notices) in_order.emplace_back(key.second, &notice);
  std::ranges::stable_sort(in_order, {}, [](const auto& one) { return one.second->at_us; });
  for (const auto& [what, notice] : in_order) Append(what, *notice);
}

void MetaEventWriter::Append(MetaEvent what, const Notice& notice) {
  const std::string id = NewId(*world_.random);
  auto batch = std::make_unique<log::Batch>();
  const log::RecordFields fields{.received_at_us = world_.clock->Now(),
                                 .event_time_us = notice.at_us,
                                 .source = 0,
                                 .kind = log::Kind::kSystem,
                                 .key = notice.name,
                                 .name = MetaEventType(what),
                                 .message_id = id};
  Status taken = batch->Add(fields, PayloadOf(what, notice, id));
  if (taken) {
    const log::Partition partition = notice.destination % world_.log->partitions();
    taken = world_.log->Append(partition, batch, [counts = counts_](const auto& appended) {
      ++(appended ? counts->appended : counts->lost);
    });
  }
  if (!taken) ++counts_->lost;
}

std::string MetaEventWriter::PayloadOf(MetaEvent what, const Notice& notice,
                                       const std::string& id) const {
  const auto or_null = [](const std::string& text) {
    return text.empty() ? json(nullptr) : json(text);
  };
  nlohmann::ordered_json payload{
      {"messageId", id}, {"type", MetaEventType(what)}, {"timestamp", FormatIso8601(notice.at_us)}};
  payload["data"] = {
      {"destination", notice.name},       {"destination_id", notice.destination},
      {"replay", or_null(notice.replay)}, {"count", notice.count},
      {"reason", or_null(notice.reason)}, {"delivery_id", or_null(notice.delivery_id)}};
  // Reasons quote receivers, whose answers need not be UTF-8.
  return config::DumpOrderedText(payload);
}

}  // namespace tributary::deliver
