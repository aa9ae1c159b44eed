#include "control/source_registry.h"

#include <algorithm>
#include <atomic>
#include <nlohmann/json.hpp>
#include <set>
#include <unordered_map>

#include "base/bytes.h"
#include "config/json_text.h"
#include "config/option_list.h"
#include "control/source_keys.h"
#include "control/source_stored.h"
#include "store/keys.h"

namespace tributary::control {

using config::SourceSettings;
using ingest::SourceSpec;
using ingest::WriteKey;
using nlohmann::json;
using store::Family;
namespace keys = store::keys;

namespace {

constexpr std::string_view kNextSource = "next_source";

std::string Number(std::uint32_t n) {
  std::string text;
  AppendLe(text, n);
  return text;
}

Result<std::uint32_t> ReadNumber(const store::Store& store, std::string_view key,
                                 std::uint32_t absent) {
  TRY_ASSIGN(const auto value, store.Get(Family::kOwned, key));
  if (!value) return absent;
  if (value->size() != sizeof(std::uint32_t)) {
    return Fail(ErrorCode::kCorrupt, "a source number in the store is broken");
  }
  return LoadLe<std::uint32_t>(value->data());
}

std::unexpected<Error> NotFound(std::string_view name) {
  return Fail(ErrorCode::kNotFound, "name",
              "there is no source named \"" + std::string(name) + "\"");
}

std::unexpected<Error> Taken(std::string_view name) {
  return Fail(ErrorCode::kConflict, "name",
              "there is a source named \"" + std::string(name) + "\" already");
}

bool IsLive(const SourceSpec& source) {
  return source.deleted_at_us == 0;
}

std::unexpected<Error> Full() {
  return Fail(ErrorCode::kExhausted,
              "there are " + std::to_string(kSourcesMax) + " sources already, the most");
}

template <class Sources>
auto FindLive(Sources& sources, std::string_view name) -> decltype(&sources.front()) {
  for (auto& source : sources) {
    if (IsLive(source) && source.name == name) return &source;
  }
  return nullptr;
}

// A body with the name of the path in it, where it has none.
Result<std::string> WithName(std::string_view body, std::string_view name) {
  TRY_ASSIGN(json object,
             config::ParseJson(body, config::kOptionsBytesMax, config::kOptionsDepthMax));
  if (!object.is_object()) return Fail(ErrorCode::kInvalid, "a source is a JSON object");
  if (object.emplace("name", name).first.value() != name) {
    return Fail(ErrorCode::kInvalid, "name", "name must be the one in the path");
  }
  return object.dump();
}

}  // namespace

// ---- Start ----

Result<std::unique_ptr<SourceRegistry>> SourceRegistry::Open(
    const World& world, const std::vector<SourceSettings>& declared) {
  std::unique_ptr<SourceRegistry> registry(new SourceRegistry(world));
  TRY(registry->Load());
  Draft draft = registry->Begin();
  TRY(registry->Declare(draft, declared));
  if (!draft.batch.empty()) TRY(world.store->Write(draft.batch, store::Sync::kYes));
  registry->next_id_ = draft.next_id;
  registry->snapshot_ = std::make_shared<ingest::SourceSnapshot>(std::move(draft.sources));
  return registry;
}

Status SourceRegistry::Load() {
  TRY_ASSIGN(next_id_, ReadNumber(*world_.store, keys::Meta(kNextSource), 1));
  Sources sources;
  Status first_error;
  TRY(world_.store->ScanPrefix(Family::kOwned, keys::AllSources(),
                               [&](std::string_view key, std::string_view value) {
                                 const auto id = keys::ParseSource(key);
                                 auto source = DecodeSource(id.value_or(0), value);
                                 if (source) {
                                   sources.push_back(*std::move(source));
                                   return store::Visit::kContinue;
                                 }
                                 first_error = std::unexpected(source.error());
                                 return store::Visit::kStop;
                               }));
  TRY(first_error);
  snapshot_ = std::make_shared<ingest::SourceSnapshot>(std::move(sources));
  return {};
}

void SourceRegistry::Subscribe(os::Executor& loop, ingest::SourceDirectory& directory) {
  const std::lock_guard lock(mutex_);
  directory.Set(snapshot_);
  loops_.push_back({.executor = &loop, .directory = &directory});
}

std::shared_ptr<const ingest::SourceSnapshot> SourceRegistry::current() const {
  const std::lock_guard lock(mutex_);
  return snapshot_;
}

std::optional<log::SourceId> SourceRegistry::IdOf(std::string_view name) const {
  const SourceSpec* source = nullptr;
  const auto snapshot = current();
  source = snapshot->FindByName(name);
  return source == nullptr ? std::nullopt : std::optional(source->id);
}

// ---- The way of a change ----

SourceRegistry::Draft SourceRegistry::Begin() const {
  const auto snapshot = current();
  Draft draft{.sources = snapshot->all(), .batch = {}, .answer = {}, .next_id = next_id_};
  draft.sources.insert(draft.sources.end(), snapshot->deleted().begin(), snapshot->deleted().end());
  return draft;
}

// The caller holds changing_, so that snapshots are published in the order of their writes.
void SourceRegistry::Finish(Result<Draft> draft, Done<Changed> done) {
  if (!draft) return done(std::unexpected(std::move(draft).error()));
  if (const Status written = world_.store->Write(draft->batch, store::Sync::kYes); !written) {
    return done(Fail(ErrorCode::kUnavailable, written.error().message()));
  }
  next_id_ = draft->next_id;
  {
    const std::lock_guard lock(mutex_);
    snapshot_ = std::make_shared<ingest::SourceSnapshot>(std::move(draft->sources));
  }
  Publish([done = std::move(done), answer = std::move(draft->answer)]() mutable {
    done(std::move(answer));
  });
}

// `done` on the loop that is the last to have the new snapshot.
void SourceRegistry::Publish(std::move_only_function<void()> done) {
  struct Round {
    std::atomic<std::size_t> left;
    std::move_only_function<void()> done;
  };
  const std::lock_guard lock(mutex_);
  if (loops_.empty()) return done();
  auto round = std::make_shared<Round>(loops_.size(), std::move(done));
  for (const Loop& loop : loops_) {
    loop.executor->Post([directory = loop.directory, snapshot = snapshot_, round] {
      directory->Set(snapshot);
      if (round->left.fetch_sub(1) == 1) round->done();
    });
  }
}

void SourceRegistry::Save(Draft& draft, const SourceSpec& source) {
  draft.batch.Put(Family::kOwned, keys::Source(source.id), EncodeSource(source));
}

void SourceRegistry::Give(Draft& draft, SourceSpec& source) const {
  source.id = draft.next_id++;
  source.created_at_us = world_.clock->Now();
  draft.batch.Put(Family::kOwned, keys::SourceName(source.name), Number(source.id));
  draft.batch.Put(Family::kOwned, keys::Meta(kNextSource), Number(draft.next_id));
  Save(draft, source);
}

Status SourceRegistry::CheckRoom(const Sources& sources) {
  const auto live = std::ranges::count_if(sources, IsLive);
  return static_cast<std::size_t>(live) < kSourcesMax ? Status() : Full();
}

// No two sources may have one key, and one alone may take events without a key.
Status SourceRegistry::CheckUnique(const Sources& sources) {
  std::set<codec::Sha256Bytes> seen;
  bool keyless = false;
  for (const SourceSpec& source : sources) {
    if (!IsLive(source) || source.unlisted) continue;
    for (const WriteKey& key : source.write_keys) {
      if (key.digest && !seen.insert(*key.digest).second) {
        return Fail(ErrorCode::kConflict, "write_keys",
                    "write_keys: a key of source \"" + source.name + "\" is in use already");
      }
    }
    if (source.keyless && keyless) {
      return Fail(ErrorCode::kConflict, "keyless",
                  "keyless is already true for another source; one at most may have it");
    }
    keyless = keyless || source.keyless;
  }
  return {};
}

Result<SourceSpec*> SourceRegistry::ForChange(Draft& draft, std::string_view name) {
  SourceSpec* const source = FindLive(draft.sources, name);
  if (source == nullptr) return NotFound(name);
  if (source->declared && !source->unlisted) {
    return Fail(
        ErrorCode::kConflict, "name",
        "\"" + std::string(name) + "\" is declared in the configuration file; change it there");
  }
  return source;
}

void SourceRegistry::ForgetOldest(Draft& draft) {
  while (std::ranges::count_if(draft.sources, std::not_fn(IsLive)) >
         static_cast<std::ptrdiff_t>(kDeletedSourcesMax)) {
    const auto oldest = std::ranges::min_element(draft.sources, {}, [](const SourceSpec& source) {
      return IsLive(source) ? std::numeric_limits<UnixMicros>::max() : source.deleted_at_us;
    });
    draft.batch.Delete(Family::kOwned, keys::Source(oldest->id));
    draft.sources.erase(oldest);
  }
}

// ---- The configuration ----

Status SourceRegistry::Declare(Draft& draft, const std::vector<SourceSettings>& declared) const {
  std::unordered_map<std::string, std::size_t> live;  // places by name: there may be thousands
  for (std::size_t i = 0; i < draft.sources.size(); ++i) {
    SourceSpec& source = draft.sources[i];
    source.unlisted = source.declared;
    if (IsLive(source)) live.emplace(source.name, i);
  }
  for (const SourceSettings& settings : declared) {
    SourceSpec said = SpecOf(settings);
    said.declared = true;
    const auto found = live.find(settings.name);
    SourceSpec* const known = found == live.end() ? nullptr : &draft.sources[found->second];
    if (known != nullptr && !known->declared) {
      return Fail(ErrorCode::kConflict, "sources",
                  "source \"" + settings.name +
                      "\" is declared in the configuration and was also made at run time; delete "
                      "or rename one of them");
    }
    if (known != nullptr) {
      said.id = known->id;
      said.created_at_us = known->created_at_us;
      *known = std::move(said);
    } else {
      if (live.size() >= kSourcesMax) return Full();
      Give(draft, said);
      live.emplace(said.name, draft.sources.size());
      draft.sources.push_back(std::move(said));
    }
  }
  return CheckUnique(draft.sources);
}

Status SourceRegistry::CheckDeclared(const std::vector<SourceSettings>& declared) const {
  const std::lock_guard lock(changing_);
  Draft draft = Begin();
  return Declare(draft, declared);
}

void SourceRegistry::ApplyDeclared(const std::vector<SourceSettings>& declared,
                                   Done<Changed> done) {
  const std::lock_guard lock(changing_);
  Draft draft = Begin();
  if (const Status good = Declare(draft, declared); !good) {
    return done(std::unexpected(good.error()));
  }
  Finish(std::move(draft), std::move(done));
}

// ---- Sources of the API ----

Result<SourceRegistry::Draft> SourceRegistry::MakeNew(const SourceSettings& settings) const {
  Draft draft = Begin();
  if (FindLive(draft.sources, settings.name) != nullptr) return Taken(settings.name);
  TRY(CheckRoom(draft.sources));
  SourceSpec source = SpecOf(settings);
  std::vector<std::string> plain;
  for (const config::Secret& key : settings.keys()) plain.push_back(key.Reveal());
  if (plain.empty() && !source.keyless) {
    plain.push_back(NewPlainKey(*world_.random));
    source.write_keys.emplace_back(plain.back());
  }
  for (WriteKey& key : source.write_keys) {
    key.id = NewKeyId(*world_.random);
    key.created_at_us = world_.clock->Now();
  }
  for (const std::string& key : plain) TRY(CheckGivenKey(key, "write_keys"));
  Give(draft, source);
  json answer = SourceJson(source, world_.clock->Now());
  for (std::size_t i = 0; i < plain.size(); ++i) answer["write_keys"][i]["key"] = plain[i];
  if (!plain.empty()) answer["write_key"] = plain.front();
  draft.answer = {.json = config::DumpText(answer), .created = true};
  draft.sources.push_back(std::move(source));
  TRY(CheckUnique(draft.sources));
  return draft;
}

Result<SourceRegistry::Draft> SourceRegistry::MakeChanged(std::string_view name,
                                                          const SourceSettings& settings) const {
  if (!settings.keys().empty()) {
    return Fail(ErrorCode::kInvalid, "write_keys",
                "write_keys of a source that exists are changed at /api/v1/sources/" +
                    std::string(name) + "/write-keys");
  }
  Draft draft = Begin();
  TRY_ASSIGN(SourceSpec* const source, ForChange(draft, name));
  if (source->unlisted) {
    return Fail(ErrorCode::kConflict, "name",
                "\"" + std::string(name) +
                    "\" was declared in the configuration and is no longer; delete it, or declare "
                    "it again");
  }
  SourceSpec changed = SpecOf(settings);
  changed.id = source->id;
  changed.created_at_us = source->created_at_us;
  changed.write_keys = std::move(source->write_keys);
  *source = std::move(changed);
  Save(draft, *source);
  draft.answer.json = config::DumpText(SourceJson(*source, world_.clock->Now()));
  TRY(CheckUnique(draft.sources));
  return draft;
}

void SourceRegistry::Create(std::string_view body, Done<Changed> done) {
  const std::lock_guard lock(changing_);
  const auto make = [&]() -> Result<Draft> {
    TRY_ASSIGN(SourceSettings settings, config::ParseOptions<SourceSettings>(body));
    return MakeNew(settings);
  };
  Finish(make(), std::move(done));
}

void SourceRegistry::Put(std::string_view name, std::string_view body, Done<Changed> done) {
  const std::lock_guard lock(changing_);
  const auto make = [&]() -> Result<Draft> {
    TRY_ASSIGN(const std::string named, WithName(body, name));
    TRY_ASSIGN(SourceSettings settings, config::ParseOptions<SourceSettings>(named));
    if (current()->FindByName(name) == nullptr) return MakeNew(settings);
    return MakeChanged(name, settings);
  };
  Finish(make(), std::move(done));
}

void SourceRegistry::Patch(std::string_view name, std::string_view body, Done<Changed> done) {
  const std::lock_guard lock(changing_);
  const auto make = [&]() -> Result<Draft> {
    const auto snapshot = current();
    const SourceSpec* const source = snapshot->FindByName(name);
    if (source == nullptr) return NotFound(name);
    TRY_ASSIGN(const std::string named, WithName(body, name));
    TRY_ASSIGN(const SourceSettings settings, config::PatchOptions(named, SettingsOf(*source)));
    return MakeChanged(name, settings);
  };
  Finish(make(), std::move(done));
}

void SourceRegistry::Delete(std::string_view name, Done<Changed> done) {
  const std::lock_guard lock(changing_);
  const auto make = [&]() -> Result<Draft> {
    Draft draft = Begin();
    TRY_ASSIGN(SourceSpec* const source, ForChange(draft, name));
    source->deleted_at_us = world_.clock->Now();
    source->declared = source->unlisted = false;
    source->write_keys.clear();
    Save(draft, *source);
    draft.batch.Delete(Family::kOwned, keys::SourceName(name));
    ForgetOldest(draft);
    return draft;
  };
  Finish(make(), std::move(done));
}

// ---- Write keys ----

void SourceRegistry::ChangeKeys(std::string_view name, Done<Changed> done,
                                const KeyChange& change) {
  const std::lock_guard lock(changing_);
  const auto make = [&]() -> Result<Draft> {
    Draft draft = Begin();
    TRY_ASSIGN(SourceSpec* const source, ForChange(draft, name));
    TRY_ASSIGN(draft.answer, change(*source));
    // A source that rotates every week must not run full of keys that opened long ago.
    std::erase_if(source->write_keys, [&](const WriteKey& key) {
      return source->write_keys.size() > kWriteKeysMax && key.expires_at_us != 0 &&
             key.expires_at_us <= world_.clock->Now();
    });
    if (source->write_keys.size() > kWriteKeysMax) {
      return Fail(ErrorCode::kExhausted, "the source has " + std::to_string(kWriteKeysMax) +
                                             " write keys already, the most");
    }
    Save(draft, *source);
    TRY(CheckUnique(draft.sources));
    return draft;
  };
  Finish(make(), std::move(done));
}

void SourceRegistry::AddKey(std::string_view name, std::string_view body, Done<Changed> done) {
  ChangeKeys(name, std::move(done), [&](SourceSpec& source) -> Result<Changed> {
    return AddKeyTo(source, body, world_.clock->Now(), *world_.random);
  });
}

void SourceRegistry::RotateKeys(std::string_view name, std::string_view body, Done<Changed> done) {
  ChangeKeys(name, std::move(done), [&](SourceSpec& source) -> Result<Changed> {
    return RotateKeysOf(source, body, world_.clock->Now(), *world_.random);
  });
}

void SourceRegistry::EnableKey(std::string_view name, std::string_view key_id, bool enabled,
                               Done<Changed> done) {
  ChangeKeys(name, std::move(done), [&](SourceSpec& source) -> Result<Changed> {
    return EnableKeyOf(source, key_id, enabled, world_.clock->Now());
  });
}

void SourceRegistry::DeleteKey(std::string_view name, std::string_view key_id, Done<Changed> done) {
  ChangeKeys(name, std::move(done),
             [&](SourceSpec& source) -> Result<Changed> { return DeleteKeyOf(source, key_id); });
}

}  // namespace tributary::control
