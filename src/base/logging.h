// The program's own log lines, one per line on standard error: either text or JSON objects.
// Thread-safe. Values that are secret never reach here: they are of type config::Secret, which does
// not format. (The record log of events is another thing: log/log.h.)
#pragma once

#include <fmt/format.h>

#include <initializer_list>
#include <string>
#include <string_view>

namespace tributary {

enum class LogLevel { kDebug, kInfo, kWarn, kError };
enum class LogFormat { kText, kJson };

struct LogField {
  std::string_view name;
  std::string value;
  LogField(std::string_view n, std::string v) : name(n), value(std::move(v)) {}
  LogField(std::string_view n, std::string_view v) : name(n), value(v) {}
  LogField(std::string_view n, const char* v) : name(n), value(v) {}
  template <class T>
  requires std::is_arithmetic_v<T> LogField(std::string_view n, T v)
      : name(n), value(fmt::to_string(v)) {}
};

void SetLogging(LogLevel level, LogFormat format);
bool LogEnabled(LogLevel level);

// `event` is a fixed snake_case word that can be searched for ("segment_damaged"), the fields say
// which one. Control bytes in values are escaped, so that a log line is always one line.
void LogLine(LogLevel level, std::string_view event, std::initializer_list<LogField> fields = {});

inline void LogInfo(std::string_view event, std::initializer_list<LogField> fields = {}) {
  LogLine(LogLevel::kInfo, event, fields);
}
inline void LogWarn(std::string_view event, std::initializer_list<LogField> fields = {}) {
  LogLine(LogLevel::kWarn, event, fields);
}
inline void LogError(std::string_view event, std::initializer_list<LogField> fields = {}) {
  LogLine(LogLevel::kError, event, fields);
}

}  // namespace tributary
