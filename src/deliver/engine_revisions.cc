// The history of destinations (revisions.h): written with every change, read when asked for.
#include <charconv>
#include <nlohmann/json.hpp>

#include "config/json_text.h"
#include "deliver/engine_impl.h"

namespace tributary::deliver {

using nlohmann::json;
using store::Family;
using store::Visit;
namespace keys = store::keys;

namespace {

constexpr char kHistoryVersion = 1;
constexpr std::size_t kRevisionsPageMax = 1'000;

Result<json> Parse(std::string_view value) {
  json stored = value.empty() || value.front() != kHistoryVersion
                    ? json(json::value_t::discarded)
                    : json::parse(value.substr(1), nullptr, false);
  if (!stored.is_object()) return Fail(ErrorCode::kCorrupt, "a stored revision is broken");
  return stored;
}

std::unexpected<Error> NoRevision(std::uint32_t revision) {
  return Fail(ErrorCode::kNotFound, "revision",
              "revision " + std::to_string(revision) + " is not there (any more)");
}

}  // namespace

void RevisionTable::Put(store::Batch& batch, DestinationId id, std::uint32_t revision,
                        const Spec* before, const Spec& now, const std::string& who) const {
  json stored = {{"at_us", engine_.world_.clock->Now()}, {"who", who}, {"changed", json::array()}};
  engine_.vault_.Put(now, id, stored);
  if (before != nullptr) {
    const json old = engine_.reader_.Write(*before, false);
    const json changed = engine_.reader_.Write(now, false);
    for (const auto& [name, value] : changed.items()) {
      if (!old.contains(name) || old[name] != value) stored["changed"].push_back(name);
    }
    for (const auto& [name, value] : old.items()) {
      if (!changed.contains(name)) stored["changed"].push_back(name);
    }
  }
  batch.Put(Family::kOwned, keys::History(id, revision), kHistoryVersion + stored.dump());
  if (revision > kRevisionsKeptMax) {
    batch.Delete(Family::kOwned, keys::History(id, revision - kRevisionsKeptMax));
  }
}

Status RevisionTable::PutFirst(store::Batch& batch, const Entry& entry) const {
  TRY_ASSIGN(const auto known,
             engine_.world_.store->Get(Family::kOwned, keys::History(entry.id, entry.revision)));
  if (!known) Put(batch, entry.id, entry.revision, nullptr, entry.spec, "");
  return {};
}

Result<std::string> RevisionTable::Text(DestinationId id, std::uint32_t revision,
                                        std::string_view value) const {
  TRY_ASSIGN(const json stored, Parse(value));
  TRY_ASSIGN(const SpecVault::Opened opened, engine_.vault_.Take(stored, id));
  TRY_ASSIGN(const auto rule,
             engine_.world_.store->Get(Family::kOwned, keys::Revision(id, revision)));
  json from = nullptr;
  if (rule) {
    const json parsed = Parse(*rule).value_or(json::object());
    from = parsed.value("from", json(nullptr));
  }
  const json text = {
      {"revision", revision},           {"at", FormatIso8601(stored.value("at_us", UnixMicros{0}))},
      {"who", stored.value("who", "")}, {"changed", stored.value("changed", json::array())},
      {"from", std::move(from)},        {"spec", engine_.reader_.Write(opened.spec, true)}};
  return config::DumpText(text);
}

Result<Revisions::Page> RevisionTable::List(std::string_view destination, std::string_view cursor,
                                            std::size_t limit) const {
  TRY_ASSIGN(const DestinationId id, IdOf(destination));
  const std::string first = keys::HistoryOf(id);
  std::string end = store::PrefixEnd(first);
  if (!cursor.empty()) {
    std::uint32_t below = 0;
    const auto [stop, error] = std::from_chars(cursor.data(), cursor.data() + cursor.size(), below);
    if (error != std::errc() || stop != cursor.data() + cursor.size()) {
      return Fail(ErrorCode::kInvalid, "cursor", "cursor must be the next_cursor of a page before");
    }
    end = keys::History(id, below);
  }
  Page page;
  Status broken;
  std::uint32_t last = 0;
  TRY(engine_.world_.store->Scan(
      Family::kOwned, first, end, true, [&](std::string_view key, std::string_view value) {
        if (page.data.size() == std::min(limit, kRevisionsPageMax)) {
          page.next_cursor = std::to_string(last);
          return Visit::kStop;
        }
        last = keys::ParseHistory(key).value_or(keys::RevisionKey{}).revision;
        auto text = Text(id, last, value);
        if (!text) {
          broken = std::unexpected(text.error());
          return Visit::kStop;
        }
        page.data.push_back(*std::move(text));
        return Visit::kContinue;
      }));
  TRY(broken);
  return page;
}

Result<std::string> RevisionTable::Get(std::string_view destination, std::uint32_t revision) const {
  TRY_ASSIGN(const DestinationId id, IdOf(destination));
  TRY_ASSIGN(const auto value,
             engine_.world_.store->Get(Family::kOwned, keys::History(id, revision)));
  if (!value) return NoRevision(revision);
  return Text(id, revision, *value);
}

Result<DestinationId> RevisionTable::IdOf(std::string_view destination) const {
  const auto entry = engine_.Find(destination);
  if (entry == nullptr) {
    return Fail(ErrorCode::kNotFound, "name",
                "there is no destination named \"" + std::string(destination) + "\"");
  }
  return entry->id;
}

Result<Spec> RevisionTable::SpecOf(DestinationId id, std::uint32_t revision,
                                   const Spec& now) const {
  TRY_ASSIGN(const auto value,
             engine_.world_.store->Get(Family::kOwned, keys::History(id, revision)));
  if (!value) return NoRevision(revision);
  TRY_ASSIGN(const json stored, Parse(*value));
  TRY_ASSIGN(SpecVault::Opened opened, engine_.vault_.Take(stored, id));
  if (!opened.lost.empty()) {
    return Fail(ErrorCode::kConflict, "revision",
                "its secrets were sealed under a key file that is gone: " + PlacesOf(opened.lost));
  }
  opened.spec.lane.start = now.lane.start;
  return std::move(opened.spec);
}

void RevisionTable::Revert(std::string destination, std::uint32_t revision, std::string who,
                           std::move_only_function<void(Result<std::string>)> done) {
  engine_.Enqueue([this, destination = std::move(destination), revision, who = std::move(who),
                   done = std::move(done)](const Status& go, EngineImpl::Finish finish) mutable {
    auto answer = [done = std::move(done)](Result<Engine::Replaced> replaced) mutable {
      if (replaced) return done(std::move(replaced->json));
      done(std::unexpected(std::move(replaced).error()));
    };
    const auto id = go ? IdOf(destination) : std::unexpected(go.error());
    if (!id) {
      answer(std::unexpected(id.error()));
      return finish();
    }
    engine_.ChangeNow(
        destination,
        [this, id = *id, revision](const Entry& old) { return SpecOf(id, revision, old.spec); },
        std::move(who), std::move(answer), std::move(finish));
  });
}

}  // namespace tributary::deliver
