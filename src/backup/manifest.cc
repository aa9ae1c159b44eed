#include "backup/manifest.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

namespace tributary::backup {
namespace {

using nlohmann::json;

constexpr int kVersion = 1;
constexpr std::string_view kDataPrefix = "data-";
constexpr std::size_t kDataDigits = 6;

std::string Hex(std::uint32_t value) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text(8, '0');
  for (std::size_t i = 8; i-- > 0; value >>= 4) text[i] = kDigits[value & 15];
  return text;
}

std::optional<std::uint32_t> ParseHex(const std::string& text) {
  std::uint32_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value, 16);
  if (error != std::errc() || at != end || text.size() != 8) return std::nullopt;
  return value;
}

json FileJson(const ManifestFile& file) {
  json object = {{"path", file.path}, {"bytes", file.bytes}, {"crc32c", Hex(file.crc32c)}};
  if (file.source) {
    object["source"] = {{"device", file.source->device},
                        {"inode", file.source->inode},
                        {"mtime_ns", file.source->mtime_ns},
                        {"settled", file.source->settled}};
  }
  return object;
}

// Relative, and of plain names only: a manifest that was tampered with must not lead elsewhere.
bool IsPlainPath(std::string_view path) {
  if (path.empty() || path.find('\0') != std::string_view::npos) return false;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = path.substr(begin, end - begin);
    if (part.empty() || part == "." || part == "..") return false;
    begin = end + 1;
  }
  return true;
}

ManifestFile ReadFileEntry(const json& object) {
  ManifestFile file;
  file.path = object.at("path").get<std::string>();
  file.bytes = object.at("bytes").get<std::uint64_t>();
  const auto crc = ParseHex(object.at("crc32c").get<std::string>());
  if (!crc || !IsPlainPath(file.path)) throw std::runtime_error("a file entry is broken");
  file.crc32c = *crc;
  if (const auto source = object.find("source"); source != object.end()) {
    file.source = SourceFile{.device = source->at("device").get<std::uint64_t>(),
                             .inode = source->at("inode").get<std::uint64_t>(),
                             .mtime_ns = source->at("mtime_ns").get<std::int64_t>(),
                             .settled = source->at("settled").get<bool>()};
  }
  return file;
}

UnixMicros ReadTime(const json& object, const char* name) {
  return ParseIso8601(object.at(name).get<std::string>()).value_or(0);
}

Manifest ReadFields(const json& object) {
  Manifest manifest;
  manifest.data = object.at("data").get<std::string>();
  if (!ParseDataName(manifest.data)) throw std::runtime_error("data names no directory of it");
  manifest.version = object.at("version").get<std::string>();
  manifest.began_at_us = ReadTime(object, "began_at");
  manifest.finished_at_us = ReadTime(object, "finished_at");
  manifest.secret_key_left_out = object.at("secret_key_left_out").get<bool>();
  for (const json& range : object.at("log")) {
    manifest.log.push_back({range.at("partition").get<std::uint32_t>(),
                            range.at("first").get<std::uint64_t>(),
                            range.at("end").get<std::uint64_t>()});
  }
  for (const json& file : object.at("files")) manifest.files.push_back(ReadFileEntry(file));
  std::ranges::sort(manifest.files, {}, &ManifestFile::path);
  return manifest;
}

}  // namespace

const ManifestFile* Manifest::Find(std::string_view path) const {
  const auto at = std::ranges::lower_bound(files, path, {}, &ManifestFile::path);
  return at != files.end() && at->path == path ? &*at : nullptr;
}

std::uint64_t Manifest::bytes() const {
  std::uint64_t sum = 0;
  for (const ManifestFile& file : files) sum += file.bytes;
  return sum;
}

std::string EncodeManifest(const Manifest& manifest) {
  json log = json::array();
  for (const LogRange& range : manifest.log) {
    log.push_back({{"partition", range.partition}, {"first", range.first}, {"end", range.end}});
  }
  json files = json::array();
  for (const ManifestFile& file : manifest.files) files.push_back(FileJson(file));
  const json object = {{"tributary_backup", kVersion},
                       {"data", manifest.data},
                       {"version", manifest.version},
                       {"began_at", FormatIso8601(manifest.began_at_us)},
                       {"finished_at", FormatIso8601(manifest.finished_at_us)},
                       {"secret_key_left_out", manifest.secret_key_left_out},
                       {"log", std::move(log)},
                       {"files", std::move(files)}};
  return object.dump(1) + "\n";
}

Result<Manifest> ParseManifest(std::string_view text) {
  const json object = json::parse(text, nullptr, false);
  if (!object.is_object() || !object.contains("tributary_backup")) {
    return Fail(ErrorCode::kCorrupt, "it is no manifest of a backup");
  }
  if (object["tributary_backup"] != kVersion) {
    return Fail(ErrorCode::kUnsupported, "the backup is of version " +
                                             object["tributary_backup"].dump() +
                                             ", which this version of Tributary does not know");
  }
  try {
    return ReadFields(object);
  } catch (const std::exception& error) {
    return Fail(ErrorCode::kCorrupt, std::string("the manifest is damaged: ") + error.what());
  }
}

Result<Manifest> ReadManifest(os::FileSystem& fs, const std::string& dir) {
  const std::string path = dir + "/" + std::string(kManifestName);
  if (!fs.Exists(path)) {
    return Fail(ErrorCode::kNotFound,
                dir + " is no finished backup: it has no " + std::string(kManifestName));
  }
  TRY_ASSIGN(const std::string text, os::ReadFile(fs, path, kManifestBytesMax));
  auto manifest = ParseManifest(text);
  if (!manifest) return Fail(manifest.error().With(path));
  return manifest;
}

std::string DataName(std::uint64_t number) {
  std::string digits = std::to_string(number);
  if (digits.size() < kDataDigits) digits.insert(0, kDataDigits - digits.size(), '0');
  return std::string(kDataPrefix) + digits;
}

std::optional<std::uint64_t> ParseDataName(std::string_view name) {
  if (!name.starts_with(kDataPrefix)) return std::nullopt;
  name.remove_prefix(kDataPrefix.size());
  std::uint64_t number = 0;
  const char* const end = name.data() + name.size();
  const auto [at, error] = std::from_chars(name.data(), end, number);
  if (error != std::errc() || at != end || name.size() < kDataDigits) return std::nullopt;
  return number;
}

}  // namespace tributary::backup
