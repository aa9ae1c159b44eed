#include "app/source_ids.h"

#include "base/bytes.h"
#include "store/keys.h"

namespace tributary::app {
namespace {

using store::Family;
namespace keys = store::keys;

constexpr std::string_view kNextSource = "next_source";
constexpr char kSourceVersion = 1;  // of the value at keys::Source: version byte, name

Result<std::optional<std::uint32_t>> ReadNumber(const store::Store& store, std::string_view key) {
  TRY_ASSIGN(const auto value, store.Get(Family::kOwned, key));
  if (!value) return std::nullopt;
  if (value->size() != sizeof(std::uint32_t)) {
    return Fail(ErrorCode::kCorrupt, "a source number in the store is broken");
  }
  return LoadLe<std::uint32_t>(value->data());
}

std::string Number(std::uint32_t n) {
  std::string text;
  AppendLe(text, n);
  return text;
}

ingest::SourceSpec SpecOf(const config::SourceSettings& s, log::SourceId id) {
  ingest::SourceSpec spec;
  spec.id = id;
  spec.name = s.name;
  for (const config::Secret& key : s.keys()) spec.write_keys.push_back(key.Reveal());
  spec.enabled = s.enabled;
  spec.keyless = s.keyless;
  spec.browser = s.browser;
  spec.ack = s.ack == config::Ack::kDurable ? ingest::Ack::kDurable : ingest::Ack::kApplied;
  spec.event_bytes_max = s.event_bytes_max;
  spec.batch_bytes_max = s.batch_bytes_max;
  return spec;
}

}  // namespace

Result<std::shared_ptr<const ingest::SourceSnapshot>> AssignSourceIds(
    store::Store& store, const config::Settings& settings) {
  TRY_ASSIGN(const auto stored_next, ReadNumber(store, keys::Meta(kNextSource)));
  std::uint32_t next = stored_next.value_or(1);  // 0 is the program itself
  const std::uint32_t first_new = next;
  store::Batch batch;
  std::vector<ingest::SourceSpec> specs;
  for (const config::SourceSettings& source : settings.sources) {
    TRY_ASSIGN(std::optional<std::uint32_t> id, ReadNumber(store, keys::SourceName(source.name)));
    if (!id) {
      id = next++;
      batch.Put(Family::kOwned, keys::SourceName(source.name), Number(*id));
      batch.Put(Family::kOwned, keys::Source(*id), kSourceVersion + source.name);
    }
    specs.push_back(SpecOf(source, *id));
  }
  if (next != first_new) {
    batch.Put(Family::kOwned, keys::Meta(kNextSource), Number(next));
    TRY(store.Write(batch, store::Sync::kYes));
  }
  return std::make_shared<const ingest::SourceSnapshot>(std::move(specs));
}

}  // namespace tributary::app
