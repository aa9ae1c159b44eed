#include "app/translate.h"

#include <algorithm>
#include <iterator>

#include "http/ip_address.h"
#include "os/process.h"

namespace tributary::app {

log::LogOptions LogOptionsOf(const config::Settings& settings) {
  log::LogOptions o;
  o.dir = settings.data_dir + "/log";
  o.segment_bytes = settings.log.segment_bytes;
  o.first_segment_bytes = settings.log.first_segment_bytes;
  o.queue_bytes_max = settings.log.queue_bytes_max;
  o.commit_bytes_max = settings.log.commit_bytes_max;
  o.tail_window_bytes = settings.log.tail_window_bytes;
  o.reserve_bytes = settings.log.reserve_bytes;
  o.recompress = settings.log.recompress;
  o.codec = settings.log.compression == config::LogCompression::kLz4 ? log::BlockCodec::kLz4
                                                                     : log::BlockCodec::kZstd;
  o.zstd_level = settings.log.zstd_level;
  o.sync_interval_ns = settings.sync_interval_ns;
  switch (settings.sync) {
    case config::SyncMode::kAlways:
      o.sync = log::SyncMode::kAlways;
      break;
    case config::SyncMode::kInterval:
      o.sync = log::SyncMode::kInterval;
      break;
    case config::SyncMode::kNone:
      o.sync = log::SyncMode::kNone;
      break;
  }
  o.retention.age_us = settings.retention.age_ns / 1000;
  o.retention.hold_us = settings.retention.hold_ns / 1000;
  o.retention.size_bytes_max = settings.retention.size_bytes;
  // A lane holds the log for `hold`, or half of the size limit, whichever is less (DESIGN.md,
  // "Log").
  o.retention.hold_bytes_max = settings.retention.size_bytes / 2;
  o.retention.on_full = settings.retention.on_full == config::OnFull::kReject
                            ? log::OnFull::kReject
                            : log::OnFull::kDropOldest;
  return o;
}

dedupe::DedupeOptions DedupeOptionsOf(const config::Settings& settings) {
  dedupe::DedupeOptions o;
  o.dir = settings.data_dir + "/dedupe";
  o.window_us = settings.dedupe.window_ns / 1000;
  o.max_ids = settings.dedupe.max_ids;
  return o;
}

http::ServerLimits ServerLimitsOf(const config::Settings& settings) {
  http::ServerLimits l;
  l.header_bytes_max = settings.limits.header_bytes_max;
  l.headers_max = settings.limits.headers_max;
  l.target_bytes_max = settings.limits.target_bytes_max;
  l.connections_max = settings.limits.connections_max;
  l.pipeline_bytes_max = settings.limits.pipeline_bytes_max;
  l.header_deadline_ns = settings.limits.header_deadline_ns;
  l.idle_deadline_ns = settings.limits.idle_deadline_ns;
  l.body_bytes_per_second_min = settings.limits.body_bytes_per_second_min;
  l.write_deadline_ns = settings.limits.write_deadline_ns;
  return l;
}

http::ClientOptions ClientOptionsOf(const config::Settings& settings, const std::string& version) {
  return {.connections_max = settings.delivery.connections_max,
          .connections_per_host_max = settings.delivery.connections_per_host_max,
          .user_agent = "Tributary/" + version,
          .ca_file = settings.delivery.ca_file};
}

namespace {

// Where a listener can be reached; a wildcard, or a name, stands for every interface.
void AddOwnAddresses(const std::string& listen, std::vector<std::string>& own) {
  const auto address = config::ParseListen(listen);
  if (!address) return;  // said where it is listened on
  if (address->host != "0.0.0.0" && address->host != "::" && http::ParseIp(address->host)) {
    own.push_back(address->host);
    return;
  }
  std::ranges::move(os::InterfaceAddresses(), std::back_inserter(own));
}

}  // namespace

http::EgressOptions EgressOptionsOf(const config::Settings& settings) {
  http::EgressOptions o{
      .allow = settings.egress.allow, .https_only = settings.egress.https_only, .own = {}};
  AddOwnAddresses(settings.listen, o.own);
  if (!settings.admin.listen.empty()) AddOwnAddresses(settings.admin.listen, o.own);
  return o;
}

deliver::DeliveryLogOptions DeliveryLogOptionsOf(const config::Settings& settings) {
  return {.dir = settings.data_dir + "/delivery_log",
          .size_bytes_max = settings.delivery_log.size_bytes,
          .age_us = settings.delivery_log.age_ns / 1000};
}

deliver::EngineOptions EngineOptionsOf(const config::Settings& settings, const std::string& version,
                                       const std::string& instance) {
  deliver::EngineOptions o;
  o.files_root = settings.delivery.file_root.empty() ? settings.data_dir + "/files"
                                                     : settings.delivery.file_root;
  o.user_agent = "Tributary/" + version;
  o.instance = instance;
  o.waiting_rows_max = settings.delivery.waiting_max;
  o.dead_letter_age_us = settings.dead_letters.age_ns / 1000;
  o.dead_letter_bytes_max = settings.dead_letters.size_bytes;
  for (const config::JsonText& d : settings.destinations) o.declared.push_back(d.text);
  return o;
}

destinations::JqProgramsOptions ProgramOptionsOf(const config::Settings& settings) {
  // At least two, so that a program nobody has seen run yet cannot hold them all.
  constexpr unsigned kWorkersMin = 2;
  constexpr unsigned kWorkersMax = 8;
  destinations::JqProgramsOptions o;
  o.time_limit_ns = settings.programs.time_limit_ns;
  o.memory_bytes = settings.programs.memory_bytes;
  o.workers = settings.programs.workers != 0 ? settings.programs.workers
                                             : std::clamp(os::Cores(), kWorkersMin, kWorkersMax);
  o.command = destinations::JqCommand(o);
  o.clock = &os::SystemClock();
  return o;
}

std::vector<control::AccessToken> TokensOf(const config::Settings& settings) {
  std::vector<control::AccessToken> tokens;
  for (const config::TokenSettings& t : settings.tokens) {
    const auto has = [&](std::string_view scope) {
      return std::find(t.scopes.begin(), t.scopes.end(), scope) != t.scopes.end();
    };
    tokens.push_back({.name = t.name,
                      .token = t.token.Reveal(),
                      .read = has("read"),
                      .write = has("write"),
                      .admin = has("admin")});
  }
  return tokens;
}

std::string_view SyncModeName(config::SyncMode mode) {
  switch (mode) {
    case config::SyncMode::kAlways:
      return "always";
    case config::SyncMode::kInterval:
      return "interval";
    case config::SyncMode::kNone:
      return "none";
  }
  return "always";
}

}  // namespace tributary::app
