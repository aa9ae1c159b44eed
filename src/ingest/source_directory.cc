#include "ingest/source_directory.h"

#include "base/hash.h"
#include "os/random.h"

namespace tributary::ingest {
namespace {

// Takes the same time wherever the first difference is.
bool SameSecret(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned char difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference = static_cast<unsigned char>(difference | (a[i] ^ b[i]));
  }
  return difference == 0;
}

}  // namespace

SourceSnapshot::SourceSnapshot(std::vector<SourceSpec> sources)
    : sources_(std::move(sources)), seed_(os::SystemRandom().Next()) {
  for (std::size_t s = 0; s < sources_.size(); ++s) {
    const auto& keys = sources_[s].write_keys;
    for (std::size_t k = 0; k < keys.size(); ++k) {
      by_key_.emplace(Hash64(keys[k], seed_), std::pair(s, k));
    }
  }
}

const SourceSpec* SourceSnapshot::FindByKey(std::string_view write_key) const {
  if (write_key.empty()) return nullptr;
  const auto [begin, end] = by_key_.equal_range(Hash64(write_key, seed_));
  for (auto it = begin; it != end; ++it) {
    const SourceSpec& source = sources_[it->second.first];
    if (SameSecret(source.write_keys[it->second.second], write_key)) return &source;
  }
  return nullptr;
}

const SourceSpec* SourceSnapshot::FindByName(std::string_view name) const {
  for (const SourceSpec& source : sources_) {
    if (source.name == name) return &source;
  }
  return nullptr;
}

const SourceSpec* SourceSnapshot::FindById(log::SourceId id) const {
  for (const SourceSpec& source : sources_) {
    if (source.id == id) return &source;
  }
  return nullptr;
}

const SourceSpec* SourceSnapshot::keyless() const {
  for (const SourceSpec& source : sources_) {
    if (source.keyless) return &source;
  }
  return nullptr;
}

}  // namespace tributary::ingest
