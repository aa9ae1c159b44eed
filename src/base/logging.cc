#include "base/logging.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>

namespace tributary {
namespace {

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
    made->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l %v", spdlog::pattern_time_type::utc);
    made->flush_on(spdlog::level::info);
    return made;
  }();
  return *logger;
}

// Quotes, backslashes and control bytes, so that a value can neither end its quotes nor its line.
void AppendEscaped(std::string& out, std::string_view value) {
  out += '"';
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7F) {
      out += fmt::format("\\u{:04x}", byte);
    } else {
      out += c;
    }
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

std::string AsJson(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) {
  std::string line = "{\"level\":";
  AppendEscaped(line, spdlog::level::to_string_view(ToSpdlog(level)).data());
  line += ",\"event\":";
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
  Logger().set_pattern(format == LogFormat::kJson ? "%v" : "%Y-%m-%dT%H:%M:%S.%eZ %l %v",
                       spdlog::pattern_time_type::utc);
}

bool LogEnabled(LogLevel level) {
  return Logger().should_log(ToSpdlog(level));
}

void LogLine(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) {
  if (!LogEnabled(level)) return;
  const std::string line =
      g_format == LogFormat::kJson ? AsJson(level, event, fields) : AsText(event, fields);
  Logger().log(ToSpdlog(level), fmt::runtime("{}"), line);
}

}  // namespace tributary
