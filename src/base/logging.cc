#include "base/logging.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>

namespace tributary {
namespace {

constexpr const char* kTextPattern = "%Y-%m-%dT%H:%M:%S.%eZ %l %v";
constexpr const char* kJsonPattern = R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v)";

std::atomic<LogFormat> g_format{LogFormat::kText};

spdlog::level::level_enum ToSpdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarn:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

spdlog::logger& Logger() {
  static const std::shared_ptr<spdlog::logger> logger = [] {
    auto made = std::make_shared<spdlog::logger>("tributary",
                                                 std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern(kTextPattern, spdlog::pattern_time_type::utc);
    made->flush_on(spdlog::level::info);
    return made;
  }();
  return *logger;
}

// How many bytes the character takes that begins `text`; 0 when these bytes are no UTF-8.
std::size_t CharacterBytes(std::string_view text) {
  const auto byte = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  const std::size_t bytes = lead < 0xC2   ? 0
                            : lead < 0xE0 ? 2
                            : lead < 0xF0 ? 3
                            : lead < 0xF5 ? 4
                                          : 0;
  if (bytes == 0 || text.size() < bytes) return 0;
  for (std::size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  const unsigned char second = byte(1);
  const bool overlong = (lead == 0xE0 && second < 0xA0) || (lead == 0xF0 && second < 0x90);
  const bool outside = (lead == 0xED && second > 0x9F) || (lead == 0xF4 && second > 0x8F);
  return overlong || outside ? 0 : bytes;
}

// Quotes, backslashes and control bytes, so that a value can neither end its quotes nor its line.
// What is no UTF-8 (paths may hold anything) is shown as U+FFFD: JSON has no other bytes.
void AppendEscaped(std::string& out, std::string_view value) {
  out += '"';
  for (std::size_t at = 0; at < value.size();) {
    const char c = value[at];
    const auto byte = static_cast<unsigned char>(c);
    const std::size_t bytes = CharacterBytes(value.substr(at));
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7F) {
      out += fmt::format("\\u{:04x}", byte);
    } else if (bytes == 0) {
      out += "\uFFFD";
    } else {
      out += value.substr(at, bytes);
    }
    at += std::max<std::size_t>(bytes, 1);
  }
  out += '"';
}

std::string AsText(std::string_view event, std::initializer_list<LogField> fields) {
  std::string line(event);
  for (const LogField& f : fields) {
    line += ' ';
    line += f.name;
    line += '=';
    AppendEscaped(line, f.value);
  }
  return line;
}

// The rest of an object whose beginning, time and level, is kJsonPattern.
std::string AsJson(std::string_view event, std::initializer_list<LogField> fields) {
  std::string line = "\"event\":";
  AppendEscaped(line, event);
  for (const LogField& f : fields) {
    line += ',';
    AppendEscaped(line, f.name);
    line += ':';
    AppendEscaped(line, f.value);
  }
  line += '}';
  return line;
}

}  // namespace

void SetLogging(LogLevel level, LogFormat format) {
  g_format = format;
  Logger().set_level(ToSpdlog(level));
  Logger().set_pattern(format == LogFormat::kJson ? kJsonPattern : kTextPattern,
                       spdlog::pattern_time_type::utc);
}

bool LogEnabled(LogLevel level) {
  return Logger().should_log(ToSpdlog(level));
}

void LogLine(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) {
  if (!LogEnabled(level)) return;
  const std::string line =
      g_format == LogFormat::kJson ? AsJson(event, fields) : AsText(event, fields);
  Logger().log(ToSpdlog(level), fmt::runtime("{}"), line);
}

}  // namespace tributary
