#include "ingest/source_directory.h"

#include <algorithm>

#include "base/hash.h"

namespace tributary::ingest {

SourceSnapshot::SourceSnapshot(std::vector<SourceSpec> sources) {
  for (SourceSpec& source : sources) {
    (source.deleted_at_us == 0 ? sources_ : deleted_).push_back(std::move(source));
  }
  // From here on neither list moves: the maps point into them.
  for (const SourceSpec& source : deleted_) by_id_[source.id] = &source;
  for (const SourceSpec& source : sources_) {
    by_id_[source.id] = &source;
    by_name_[source.name] = &source;
    batch_bytes_max_ = std::max(batch_bytes_max_, source.batch_bytes_max);
    for (const WriteKey& key : source.write_keys) {
      if (!key.digest) continue;
      by_digest_.emplace(codec::AsText(*key.digest), KeyMatch{.source = &source, .key = &key});
    }
  }
}

KeyMatch SourceSnapshot::FindByKey(std::string_view write_key) const {
  if (write_key.empty() || by_digest_.empty()) return {};
  const codec::Sha256Bytes digest = codec::Sha256Of(write_key);
  const auto found = by_digest_.find(std::string(codec::AsText(digest)));
  return found == by_digest_.end() ? KeyMatch{} : found->second;
}

const SourceSpec* SourceSnapshot::FindByName(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : found->second;
}

const SourceSpec* SourceSnapshot::FindById(log::SourceId id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : found->second;
}

std::vector<log::SourceId> SourceSnapshot::IdsOfName(std::string_view name) const {
  std::vector<log::SourceId> ids;
  for (const auto& [id, source] : by_id_) {
    if (source->name == name) ids.push_back(id);
  }
  std::ranges::sort(ids);
  return ids;
}

const SourceSpec* SourceSnapshot::keyless() const {
  for (const SourceSpec& source : sources_) {
    if (source.keyless && !source.unlisted) return &source;
  }
  return nullptr;
}

SourceDirectory::SourceDirectory(os::Random& random)
    : snapshot_(std::make_shared<SourceSnapshot>(std::vector<SourceSpec>{})),
      seed_(random.Next()) {}

void SourceDirectory::Set(std::shared_ptr<const SourceSnapshot> snapshot) {
  remembered_.clear();  // it points into the old one
  snapshot_ = std::move(snapshot);
}

KeyMatch SourceDirectory::FindByKey(std::string_view write_key) const {
  const std::uint64_t hash = Hash64(write_key, seed_);
  const auto known = remembered_.find(hash);
  if (known != remembered_.end() && codec::ConstantTimeEqual(known->second.write_key, write_key)) {
    return known->second.match;
  }
  const KeyMatch match = snapshot_->FindByKey(write_key);
  if (match.source == nullptr) return match;
  if (remembered_.size() >= kKeysRememberedMax) remembered_.clear();
  remembered_.insert_or_assign(hash, Remembered{std::string(write_key), match});
  return match;
}

}  // namespace tributary::ingest
