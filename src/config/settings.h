// Everything that can be configured, as one plain struct. The declarations beside it (settings.cc)
// are the only place that names the options: the loader, `config/tributary.yaml`, the environment
// variables and docs/guides/configuration.md follow from them.
//
// What a file does not name keeps the value written here, key by key.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/logging.h"
#include "config/option.h"

namespace tributary::config {

enum class SyncMode { kAlways, kInterval, kNone };
enum class LogCompression { kLz4, kZstd };
enum class OnFull { kReject, kDropOldest };
enum class Ack { kDurable, kApplied };
enum class Keyless { kLoopback, kNever };

struct AdminSettings {
  std::string listen;
  static void Describe(OptionList<AdminSettings>& o);
};

struct TokenSettings {
  std::string name;
  Secret token;
  std::vector<std::string> scopes = {"read"};
  Status Check() const;
  static void Describe(OptionList<TokenSettings>& o);
};

struct SourceSettings {
  std::string name;
  Secret write_key;                // the same as one more entry of write_keys
  std::vector<Secret> write_keys;  // several, so that a key can be rotated with overlap
  bool enabled = true;
  bool keyless = false;
  bool browser = false;
  Ack ack = Ack::kDurable;
  std::size_t event_bytes_max = 32 * 1024;
  std::size_t batch_bytes_max = 500 * 1024;
  // All keys, those of `write_key` and `write_keys` together.
  std::vector<Secret> keys() const;
  Status Check() const;
  static void Describe(OptionList<SourceSettings>& o);
};

struct TrackApiSettings {
  bool enabled = true;
  Keyless keyless = Keyless::kLoopback;
  static void Describe(OptionList<TrackApiSettings>& o);
};

struct RetentionSettings {
  MonoNanos age_ns = 7 * 86'400 * kNanosPerSecond;
  std::uint64_t size_bytes = 0;
  MonoNanos hold_ns = 7 * 86'400 * kNanosPerSecond;
  OnFull on_full = OnFull::kReject;
  static void Describe(OptionList<RetentionSettings>& o);
};

struct LogSettings {
  std::uint64_t segment_bytes = 64ULL << 20;
  std::uint64_t first_segment_bytes = 1ULL << 20;
  std::uint64_t queue_bytes_max = 16ULL << 20;
  std::uint64_t commit_bytes_max = 4ULL << 20;
  std::uint64_t tail_window_bytes = 16ULL << 20;
  std::uint64_t reserve_bytes = 64ULL << 20;
  bool recompress = true;
  LogCompression compression = LogCompression::kLz4;
  int zstd_level = 3;
  static void Describe(OptionList<LogSettings>& o);
};

struct DedupeSettings {
  MonoNanos window_ns = 86'400 * kNanosPerSecond;
  std::uint64_t max_ids = 16'000'000;
  static void Describe(OptionList<DedupeSettings>& o);
};

struct DeliverySettings {
  std::uint32_t waiting_max = 1'000'000;
  std::uint32_t connections_max = 512;
  std::uint32_t connections_per_host_max = 64;
  std::string ca_file;
  std::string file_root;
  static void Describe(OptionList<DeliverySettings>& o);
};

struct ProgramSettings {
  MonoNanos time_limit_ns = 100 * kNanosPerMilli;
  std::uint64_t memory_bytes = 256ULL << 20;
  std::uint32_t workers = 0;
  static void Describe(OptionList<ProgramSettings>& o);
};

struct DeliveryLogSettings {
  std::uint64_t size_bytes = 10ULL << 30;
  MonoNanos age_ns = 7 * 86'400 * kNanosPerSecond;
  static void Describe(OptionList<DeliveryLogSettings>& o);
};

struct DeadLetterSettings {
  MonoNanos age_ns = 30 * 86'400 * kNanosPerSecond;
  std::uint64_t size_bytes = 1ULL << 30;
  static void Describe(OptionList<DeadLetterSettings>& o);
};

struct EgressSettings {
  std::vector<std::string> allow;
  bool https_only = false;
  static void Describe(OptionList<EgressSettings>& o);
};

struct LimitSettings {
  std::size_t connections_max = 8192;
  std::size_t header_bytes_max = 16 * 1024;
  std::size_t headers_max = 100;
  std::size_t target_bytes_max = 8 * 1024;
  std::size_t pipeline_bytes_max = 64 * 1024;
  MonoNanos header_deadline_ns = 10 * kNanosPerSecond;
  MonoNanos idle_deadline_ns = 75 * kNanosPerSecond;
  MonoNanos write_deadline_ns = 30 * kNanosPerSecond;
  std::size_t body_bytes_per_second_min = 512;
  static void Describe(OptionList<LimitSettings>& o);
};

struct AccessKeySettings {
  std::string id;
  Secret secret;
  std::vector<std::string> projects;
  static void Describe(OptionList<AccessKeySettings>& o);
};

struct LoggingSettings {
  LogLevel level = LogLevel::kInfo;
  LogFormat format = LogFormat::kText;
  static void Describe(OptionList<LoggingSettings>& o);
};

struct Settings {
  std::string listen = "127.0.0.1:8080";
  std::string data_dir = "./data";
  std::uint32_t threads = 0;
  AdminSettings admin;
  std::vector<TokenSettings> tokens;
  std::vector<SourceSettings> sources = DefaultSources();
  TrackApiSettings track_api;
  std::vector<JsonText> destinations;  // objects as POST /api/v1/destinations takes them
  SyncMode sync = SyncMode::kAlways;
  MonoNanos sync_interval_ns = 50 * kNanosPerMilli;
  RetentionSettings retention;
  LogSettings log;
  DedupeSettings dedupe;
  DeliverySettings delivery;
  ProgramSettings programs;
  DeliveryLogSettings delivery_log;
  DeadLetterSettings dead_letters;
  EgressSettings egress;
  LimitSettings limits;
  std::vector<AccessKeySettings> access_keys;
  LoggingSettings logging;

  // Rules that span several options: addresses that can be listened on, a token for whatever is not
  // loopback, names and keys that are given once.
  Status Check() const;
  static void Describe(OptionList<Settings>& o);
  static std::vector<SourceSettings> DefaultSources();  // `demo` with the write key `demo`
};

// "HOST:PORT", "[::1]:PORT"; port 0 lets the system choose. kInvalid says what is wrong with it.
struct ListenAddress {
  std::string host;  // without brackets
  std::uint16_t port = 0;
};
Result<ListenAddress> ParseListen(std::string_view text);
// 127.0.0.0/8, ::1 and localhost: what only programs of this machine can reach.
bool IsLoopbackHost(std::string_view host);
// True when every address that will be listened on is loopback.
bool LoopbackOnly(const Settings& settings);

}  // namespace tributary::config
