#include "config/settings.h"

#include <set>

#include "config/option_list.h"

namespace tributary::config {
namespace {

constexpr std::int64_t kNameBytesMax = 100;
constexpr std::int64_t kKeyBytesMax = 256;
constexpr std::int64_t kKiB = 1024;
constexpr std::int64_t kMiB = 1024 * kKiB;
constexpr std::int64_t kGiB = 1024 * kMiB;

std::unexpected<Error> WrongAt(std::string field, std::string message) {
  return Fail(ErrorCode::kInvalid, std::move(field), std::move(message));
}

std::string Entry(std::string_view list, std::size_t i, std::string_view field) {
  return std::string(list) + "[" + std::to_string(i) + "]." + std::string(field);
}

Status CheckListen(const Settings& s, const std::string& text, const char* field) {
  const auto address = ParseListen(text);
  if (!address) return WrongAt(field, address.error().message());
  if (IsLoopbackHost(address->host) || !s.tokens.empty()) return {};
  return WrongAt(field,
                 "is reachable from other machines, so at least one token is needed: "
                 "tokens: [{token: …, scopes: [admin]}]");
}

Status CheckSources(const std::vector<SourceSettings>& sources) {
  std::set<std::string_view> names;
  std::set<std::string> keys;
  bool keyless = false;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    if (!names.insert(sources[i].name).second) {
      return WrongAt(Entry("sources", i, "name"), "is the name of an earlier source");
    }
    for (const Secret& key : sources[i].keys()) {
      if (!keys.insert(key.Reveal()).second) {
        return WrongAt(Entry("sources", i, "write_keys"), "has a key that was given before");
      }
    }
    if (sources[i].keyless && keyless) {
      return WrongAt(Entry("sources", i, "keyless"), "is already true for an earlier source");
    }
    keyless = keyless || sources[i].keyless;
  }
  return {};
}

Status CheckTokens(const std::vector<TokenSettings>& tokens) {
  std::set<std::string> seen;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (!seen.insert(tokens[i].token.Reveal()).second) {
      return WrongAt(Entry("tokens", i, "token"), "is the same as an earlier token");
    }
  }
  return {};
}

Status CheckAccessKeys(const std::vector<AccessKeySettings>& keys) {
  std::set<std::string_view> seen;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (!seen.insert(keys[i].id).second) {
      return WrongAt(Entry("access_keys", i, "id"), "is the id of an earlier access key");
    }
  }
  return {};
}

bool IsPlainName(std::string_view name) {
  for (const char c : name) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    const bool other = (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
    if (!letter && !other) return false;
  }
  return !name.empty() && name != "." && name != "..";
}

// Visible ASCII, so that a token can stand in a header.
bool IsHeaderText(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7F; });
}

}  // namespace

Status TokenSettings::Check() const {
  if (!IsHeaderText(token.Reveal()))
    return WrongAt("token", "must be visible ASCII without spaces");
  for (const std::string& scope : scopes) {
    if (scope != "read" && scope != "write" && scope != "admin") {
      return WrongAt("scopes", "must be of: read, write, admin");
    }
  }
  return {};
}

std::vector<Secret> SourceSettings::keys() const {
  std::vector<Secret> all = write_keys;
  if (!write_key.empty()) all.insert(all.begin(), write_key);
  return all;
}

Status SourceSettings::Check() const {
  if (!IsPlainName(name))
    return WrongAt("name", "must be made of letters, digits, '-', '_' and '.'");
  for (const Secret& key : write_keys) {
    if (key.empty()) return WrongAt("write_keys", "must not have an empty key");
  }
  return {};
}

std::vector<SourceSettings> Settings::DefaultSources() {
  SourceSettings demo;
  demo.name = "demo";
  demo.write_key = Secret("demo");
  return {demo};
}

Status Settings::Check() const {
  TRY(CheckListen(*this, listen, "listen"));
  if (!admin.listen.empty()) {
    TRY(CheckListen(*this, admin.listen, "admin.listen"));
    const bool any_port = admin.listen.ends_with(":0");
    if (admin.listen == listen && !any_port)
      return WrongAt("admin.listen", "must differ from listen");
  }
  TRY(CheckTokens(tokens));
  TRY(CheckSources(sources));
  TRY(CheckAccessKeys(access_keys));
  if (log.first_segment_bytes > log.segment_bytes) {
    return WrongAt("log.first_segment_size", "must not be larger than log.segment_size");
  }
  return {};
}

void AdminSettings::Describe(OptionList<AdminSettings>& o) {
  o.Optional("listen", &AdminSettings::listen,
             "Address of the control API alone, as HOST:PORT. Empty: it shares `listen`.");
}

void TokenSettings::Describe(OptionList<TokenSettings>& o) {
  o.Optional("name", &TokenSettings::name, "Who holds it, for the audit record.",
             {.max = kNameBytesMax});
  o.Required("token", &TokenSettings::token, "Sent as `Authorization: Bearer TOKEN`.",
             {.min = 1, .max = kKeyBytesMax});
  o.Optional("scopes", &TokenSettings::scopes,
             "What it may do: `read` looks, `write` changes and looks, `admin` does everything.",
             {.min = 1, .max = 3});
}

void SourceSettings::Describe(OptionList<SourceSettings>& o) {
  o.Required("name", &SourceSettings::name, "Unique among sources.", {.max = kNameBytesMax});
  o.Optional("write_key", &SourceSettings::write_key, "The key that SDKs send.",
             {.max = kKeyBytesMax});
  o.Optional("write_keys", &SourceSettings::write_keys,
             "More keys, so that one can be replaced while the old one still works.", {.max = 100});
  o.Optional("enabled", &SourceSettings::enabled, "False refuses its keys.");
  o.Optional("keyless", &SourceSettings::keyless,
             "Takes `POST /track` without a key, also on a public address. One source at most.");
  o.Optional("browser", &SourceSettings::browser,
             "Its key is public: `context.ip` is the address of the connection.");
  o.Enum(
      "ack", &SourceSettings::ack, {{"durable", Ack::kDurable}, {"applied", Ack::kApplied}},
      "When a request is answered: once its events are on disk, or once they are processed too.");
  o.Bytes("event_size", &SourceSettings::event_bytes_max, "Largest event.",
          {.min = 1 * kKiB, .max = 4 * kMiB});
  o.Bytes("batch_size", &SourceSettings::batch_bytes_max, "Largest request body, decompressed.",
          {.min = 1 * kKiB, .max = 8 * kMiB});
}

void TrackApiSettings::Describe(OptionList<TrackApiSettings>& o) {
  o.Optional("enabled", &TrackApiSettings::enabled,
             "The simple API: `POST /track`, `POST /destinations`, `GET /responses/{messageId}`.");
  o.Enum("keyless", &TrackApiSettings::keyless,
         {{"loopback", Keyless::kLoopback}, {"never", Keyless::kNever}},
         "Whether `POST /track` without a key goes to the first source when only this machine can "
         "reach the server. A source with `keyless: true` takes it in any case.");
}

void RetentionSettings::Describe(OptionList<RetentionSettings>& o) {
  o.Duration("age", &RetentionSettings::age_ns, "How long events stay in the log.",
             {.min = kNanosPerSecond});
  o.Bytes("size", &RetentionSettings::size_bytes, "Largest log; 0 leaves it to the disk.");
  o.Duration("hold", &RetentionSettings::hold_ns,
             "How long a destination that lags, is paused or is down may keep events from going.",
             {.min = kNanosPerSecond});
  o.Enum("on_full", &RetentionSettings::on_full,
         {{"reject", OnFull::kReject}, {"drop_oldest", OnFull::kDropOldest}},
         "When the log is full of what is still held: refuse new events, or drop the oldest, "
         "counted per destination.");
}

void LogSettings::Describe(OptionList<LogSettings>& o) {
  o.Bytes("segment_size", &LogSettings::segment_bytes, "Size of one file of the log.",
          {.min = 64 * kKiB, .max = 1 * kGiB});
  o.Bytes("first_segment_size", &LogSettings::first_segment_bytes,
          "Size of the very first file; small, so that the first start is instant.",
          {.min = 64 * kKiB, .max = 1 * kGiB});
  o.Bytes("queue_size", &LogSettings::queue_bytes_max,
          "Bytes that may wait for the disk before requests are answered 503.",
          {.min = 1 * kMiB, .max = 1 * kGiB});
  o.Bytes("commit_size", &LogSettings::commit_bytes_max, "Most bytes of one write and sync.",
          {.min = 64 * kKiB, .max = 256 * kMiB});
  o.Bytes("tail_window", &LogSettings::tail_window_bytes,
          "Recent events kept in memory for destinations that keep up.",
          {.min = 1 * kMiB, .max = 4 * kGiB});
  o.Bytes("reserve", &LogSettings::reserve_bytes,
          "Free disk space that events leave for cursors and dead letters.");
  o.Optional("recompress", &LogSettings::recompress, "Compress files that are complete.");
  o.Enum("compression", &LogSettings::compression,
         {{"lz4", LogCompression::kLz4}, {"zstd", LogCompression::kZstd}},
         "How: `lz4` is replayed about twice as fast, `zstd` takes about a quarter less space.");
  o.Optional("zstd_level", &LogSettings::zstd_level, "How hard `zstd` compresses.",
             {.min = 1, .max = 19});
}

void DedupeSettings::Describe(OptionList<DedupeSettings>& o) {
  o.Duration("window", &DedupeSettings::window_ns,
             "How long a message id is remembered, so that its repeats are dropped.",
             {.min = kNanosPerSecond});
  o.Optional("max_ids", &DedupeSettings::max_ids,
             "Most ids remembered; the window closes early when there are more.",
             {.min = 1000, .max = 16'777'216});
}

void DeliverySettings::Describe(OptionList<DeliverySettings>& o) {
  o.Optional("waiting_max", &DeliverySettings::waiting_max,
             "Events of one destination that may wait for a retry; at the limit it stops reading, "
             "and its backlog stays in the log.",
             {.min = 1});
  o.Optional("connections_max", &DeliverySettings::connections_max,
             "Connections to destinations open at once.", {.min = 1, .max = 65'536});
  o.Optional("connections_per_host_max", &DeliverySettings::connections_per_host_max,
             "The same, to one host.", {.min = 1, .max = 65'536});
  o.Optional("ca_file", &DeliverySettings::ca_file,
             "Certificates to trust, as a PEM file. Empty: the system's.");
  o.Optional("file_root", &DeliverySettings::file_root,
             "Directory that `file` destinations write below. Empty: the data directory.");
}

void ProgramSettings::Describe(OptionList<ProgramSettings>& o) {
  o.Duration("time_limit", &ProgramSettings::time_limit_ns,
             "Processor time that a filter or mapping may take for one event.",
             {.min = kNanosPerMilli, .max = 10 * kNanosPerSecond});
  o.Bytes("memory", &ProgramSettings::memory_bytes, "Memory of each process that runs programs.",
          {.min = 64LL << 20, .max = 16LL << 30});
  o.Optional("workers", &ProgramSettings::workers,
             "Processes that run programs, besides the one for slow programs; 0: by the number of "
             "processors. None is started before the first program runs.",
             {.min = 0, .max = 64});
}

void DeliveryLogSettings::Describe(OptionList<DeliveryLogSettings>& o) {
  o.Bytes("size", &DeliveryLogSettings::size_bytes,
          "Largest delivery log; past it the oldest attempts go.", {.min = 1 * kMiB});
  o.Duration("age", &DeliveryLogSettings::age_ns, "How long attempts are kept.",
             {.min = kNanosPerSecond});
}

void DeadLetterSettings::Describe(OptionList<DeadLetterSettings>& o) {
  o.Duration("age", &DeadLetterSettings::age_ns,
             "How long a delivery that was given up is kept, with its event, to be sent again.",
             {.min = kNanosPerSecond});
  o.Bytes("size", &DeadLetterSettings::size_bytes,
          "Most bytes of the events of one destination's dead letters; past it the oldest go.",
          {.min = 1 * kKiB});
}

void EgressSettings::Describe(OptionList<EgressSettings>& o) {
  o.Optional("allow", &EgressSettings::allow,
             "Networks (`127.0.0.1/32`) and host names that deliveries may reach although they are "
             "not public.",
             {.max = 1000});
  o.Optional("https_only", &EgressSettings::https_only, "Refuse destinations that are not https.");
}

void LimitSettings::Describe(OptionList<LimitSettings>& o) {
  o.Optional("connections_max", &LimitSettings::connections_max, "Connections open at once.",
             {.min = 1, .max = 1'000'000});
  o.Bytes("header_size", &LimitSettings::header_bytes_max, "Most bytes of all request headers.",
          {.min = 1 * kKiB, .max = 1 * kMiB});
  o.Optional("headers_max", &LimitSettings::headers_max, "Most headers of a request.",
             {.min = 8, .max = 10'000});
  o.Bytes("target_size", &LimitSettings::target_bytes_max, "Longest path and query.",
          {.min = 256, .max = 64 * kKiB});
  o.Bytes("pipeline_size", &LimitSettings::pipeline_bytes_max,
          "Bytes read ahead from a connection whose answer is still pending.",
          {.min = 4 * kKiB, .max = 16 * kMiB});
  o.Duration("header_deadline", &LimitSettings::header_deadline_ns,
             "How long a client may take for its headers.", {.min = kNanosPerMilli});
  o.Duration("idle_deadline", &LimitSettings::idle_deadline_ns,
             "How long a connection may be idle.", {.min = kNanosPerMilli});
  o.Duration("write_deadline", &LimitSettings::write_deadline_ns,
             "How long a client may take to read an answer.", {.min = kNanosPerMilli});
  o.Bytes("body_rate_min", &LimitSettings::body_bytes_per_second_min,
          "Bytes per second below which a body is given up, after 10 s.");
}

void AccessKeySettings::Describe(OptionList<AccessKeySettings>& o) {
  o.Required("id", &AccessKeySettings::id, "Access key id.", {.min = 1, .max = kKeyBytesMax});
  o.Required("secret", &AccessKeySettings::secret, "Secret access key.",
             {.min = 1, .max = kKeyBytesMax});
  o.Optional("projects", &AccessKeySettings::projects, "What it may touch; empty: everything.");
}

void LoggingSettings::Describe(OptionList<LoggingSettings>& o) {
  o.Enum("level", &LoggingSettings::level,
         {{"debug", LogLevel::kDebug},
          {"info", LogLevel::kInfo},
          {"warn", LogLevel::kWarn},
          {"error", LogLevel::kError}},
         "Least important line that is written.");
  o.Enum("format", &LoggingSettings::format,
         {{"text", LogFormat::kText}, {"json", LogFormat::kJson}}, "Form of a line.");
}

void Settings::Describe(OptionList<Settings>& o) {
  o.Optional("listen", &Settings::listen,
             "Address that takes events in, as HOST:PORT; port 0 picks a free one. Anything but "
             "loopback needs a token.");
  o.Optional("data_dir", &Settings::data_dir, "Where everything is kept.", {.min = 1});
  o.Optional("threads", &Settings::threads, "Event loops; 0 is one for each core.", {.max = 256});
  o.Object("admin", &Settings::admin, "The control API.");
  o.ObjectList("tokens", &Settings::tokens,
               "Who may use the control API. With none, it is open to this machine only.",
               {.max = 1000});
  o.ObjectList("sources", &Settings::sources,
               "Where events come from. A file without this key has the source `demo`.");
  o.Object("track_api", &Settings::track_api, "The simple API without versions in its paths.");
  o.Optional("destinations", &Settings::destinations,
             "Where events go: objects as `POST /api/v1/destinations` takes them.");
  o.Enum(
      "sync", &Settings::sync,
      {{"always", SyncMode::kAlways}, {"interval", SyncMode::kInterval}, {"none", SyncMode::kNone}},
      "When events are flushed to disk: before each answer (nothing acknowledged is ever lost), "
      "every `sync_interval`, or when the system likes.");
  o.Duration("sync_interval", &Settings::sync_interval_ns, "For `sync: interval`.",
             {.min = kNanosPerMilli, .max = 3600 * kNanosPerSecond});
  o.Object("retention", &Settings::retention, "How long events are kept in the log.");
  o.Object("log", &Settings::log, "The record log.");
  o.Object("dedupe", &Settings::dedupe, "Dropping of repeated events.");
  o.Object("delivery", &Settings::delivery, "Deliveries to destinations.");
  o.Object("programs", &Settings::programs, "Filters and mappings, which are jq programs.");
  o.Object("delivery_log", &Settings::delivery_log, "The record of every attempt.");
  o.Object("dead_letters", &Settings::dead_letters, "Deliveries that were given up.");
  o.Object("egress", &Settings::egress, "Which addresses deliveries may reach.");
  o.Object("limits", &Settings::limits, "What a client may ask of the HTTP server.");
  o.ObjectList("access_keys", &Settings::access_keys,
               "Keys for the doors that speak an AWS protocol.", {.max = 1000});
  o.Object("logging", &Settings::logging, "The program's own log lines, on standard error.");
}

Result<ListenAddress> ParseListen(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return Fail(ErrorCode::kInvalid, "must be HOST:PORT");
  std::string_view host = text.substr(0, colon);
  const std::string_view digits = text.substr(colon + 1);
  const bool brackets = host.starts_with('[') && host.ends_with(']');
  if (brackets) host = host.substr(1, host.size() - 2);
  if (host.empty()) return Fail(ErrorCode::kInvalid, "must name a host, as in 127.0.0.1:8080");
  if (!brackets && host.contains(':')) {
    return Fail(ErrorCode::kInvalid, "must have an IPv6 address in brackets, as in [::1]:8080");
  }
  std::uint32_t port = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9' || digits.size() > 5) port = 65'536;
    if (port > 65'535) break;
    port = port * 10 + static_cast<std::uint32_t>(c - '0');
  }
  if (digits.empty() || port > 65'535) {
    return Fail(ErrorCode::kInvalid, "must end in a port from 0 to 65535");
  }
  return ListenAddress{std::string(host), static_cast<std::uint16_t>(port)};
}

bool IsLoopbackHost(std::string_view host) {
  if (host == "localhost" || host == "::1") return true;
  // Only the dotted form with four parts: "127.evil.example" is somebody's name.
  return host.starts_with("127.") && std::ranges::count(host, '.') == 3 &&
         host.find_first_not_of("0123456789.") == std::string_view::npos;
}

bool LoopbackOnly(const Settings& settings) {
  for (const std::string& text : {settings.listen, settings.admin.listen}) {
    if (text.empty()) continue;
    const auto address = ParseListen(text);
    if (!address || !IsLoopbackHost(address->host)) return false;
  }
  return true;
}

}  // namespace tributary::config
