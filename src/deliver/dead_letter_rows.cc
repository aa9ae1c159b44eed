#include "deliver/dead_letter_rows.h"

#include <algorithm>

namespace tributary::deliver {

using store::Family;
using store::Visit;
namespace keys = store::keys;

namespace {

Error BrokenIndex() {
  return {ErrorCode::kCorrupt, "the index of the dead letters is broken"};
}

Result<DeadEntry> EntryOf(std::string_view key, std::string_view value) {
  const auto parsed = keys::ParseLaneTimeKey(keys::Prefix::kDeadLetterAge, key);
  if (!parsed) return Fail(BrokenIndex());
  TRY_ASSIGN(const StoredDeadAge age, DecodeDeadAge(value));
  return DeadEntry{.at = parsed->at, .died_at_us = parsed->at_us, .age = age};
}

}  // namespace

Status ScanDead(const store::Store& store, const DeadScan& scan,
                const std::function<Visit(const DeadEntry&)>& visit) {
  const Position lowest{0, 0};
  std::string begin = scan.since ? keys::DeadLetterAge(scan.lane, *scan.since, lowest)
                                 : keys::DeadLetterAgesOf(scan.lane);
  std::string end = scan.until ? keys::DeadLetterAge(scan.lane, *scan.until, lowest)
                               : store::PrefixEnd(keys::DeadLetterAgesOf(scan.lane));
  if (scan.after) {
    const std::string key = keys::DeadLetterAge(scan.lane, scan.after->died_at_us, scan.after->at);
    if (scan.newest_first) {
      end = std::min(end, key);
    } else {
      begin = std::max(begin, key + '\0');
    }
  }
  if (begin >= end) return {};
  Status broken;
  TRY(store.Scan(Family::kOwned, begin, end, scan.newest_first,
                 [&](std::string_view key, std::string_view value) {
                   const auto entry = EntryOf(key, value);
                   if (entry) return visit(*entry);
                   broken = std::unexpected(entry.error());
                   return Visit::kStop;
                 }));
  return broken;
}

Result<std::optional<DeadEntry>> FindDead(const store::Store& store, LaneId lane, Position at) {
  TRY_ASSIGN(const auto row, store.Get(Family::kOwned, keys::DeadLetter(lane, at)));
  if (!row) return std::nullopt;
  TRY_ASSIGN(const StoredDead dead, DecodeDead(*row));
  const std::string key = keys::DeadLetterAge(lane, dead.at_us, at);
  TRY_ASSIGN(const auto value, store.Get(Family::kOwned, key));
  if (!value) return std::nullopt;  // moved between the two reads
  return EntryOf(key, *value);
}

Result<std::uint64_t> LoadDeadAges(const store::Store& store, log::Log& log, LaneId lane,
                                   std::size_t dead_letters, store::Batch& repairs) {
  std::size_t indexed = 0;
  std::uint64_t bytes = 0;
  TRY(ScanDead(store, {.lane = lane}, [&](const DeadEntry& entry) {
    ++indexed;
    bytes += entry.age.facts.bytes;
    return Visit::kContinue;
  }));
  if (indexed == dead_letters) return bytes;
  bytes = 0;
  Status failed;
  TRY(store.ScanPrefix(
      Family::kOwned, keys::DeadLettersOf(lane), [&](std::string_view key, std::string_view value) {
        const auto parsed = keys::ParseLaneKey(keys::Prefix::kDeadLetter, key);
        const auto dead = DecodeDead(value);
        if (!parsed || !dead) {
          failed = Fail(dead ? BrokenIndex() : dead.error());
          return Visit::kStop;
        }
        const auto event = ReadRowEvent(store, log, lane, parsed->at);
        const DeadFacts facts = event ? FactsOf((*event)->record) : DeadFacts{};
        bytes += facts.bytes;
        repairs.Put(Family::kOwned, keys::DeadLetterAge(lane, dead->at_us, parsed->at),
                    EncodeDeadAge({.attempts = dead->attempts, .facts = facts}));
        return Visit::kContinue;
      }));
  TRY(failed);
  return bytes;
}

Result<std::unique_ptr<RowEvent>> ReadRowEvent(const store::Store& store, log::Log& log,
                                               LaneId lane, Position at) {
  auto event = std::make_unique<RowEvent>();
  if (auto found = log.ReadOne(at.partition, at.offset)) {
    event->found = std::move(*found);
    event->record = event->found.record;
    return event;
  }
  TRY_ASSIGN(auto kept, store.Get(Family::kOwned, keys::KeptBody(lane, at)));
  if (!kept) return Fail(ErrorCode::kNotFound, "the event is lost");
  event->kept = std::move(*kept);
  TRY_ASSIGN(event->record, DecodeKept(at, event->kept));
  return event;
}

}  // namespace tributary::deliver
