#include "base/time.h"

#include <array>
#include <charconv>
#include <cstring>

namespace tributary {
namespace {

constexpr std::int64_t kSecondsPerDay = 86'400;

// Days since 1970-01-01 of a proleptic Gregorian date (Howard Hinnant, "chrono-Compatible
// Low-Level Date Algorithms").
constexpr std::int64_t DaysFromCivil(std::int64_t y, unsigned m, unsigned d) {
  y -= m <= 2;
  const std::int64_t era = (y >= 0 ? y : y - 399) / 400;
  const auto yoe = static_cast<unsigned>(y - era * 400);
  const unsigned doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
  const unsigned doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
  return era * 146097 + static_cast<std::int64_t>(doe) - 719468;
}

struct Civil {
  std::int64_t year;
  unsigned month;
  unsigned day;
};

constexpr Civil CivilFromDays(std::int64_t z) {
  z += 719468;
  const std::int64_t era = (z >= 0 ? z : z - 146096) / 146097;
  const auto doe = static_cast<unsigned>(z - era * 146097);
  const unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
  const unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
  const unsigned mp = (5 * doy + 2) / 153;
  const unsigned month = mp < 10 ? mp + 3 : mp - 9;
  return {static_cast<std::int64_t>(yoe) + era * 400 + (month <= 2), month,
          doy - (153 * mp + 2) / 5 + 1};
}

void PutDigits(char* out, unsigned value, int width) {
  for (int i = width - 1; i >= 0; --i, value /= 10) out[i] = static_cast<char>('0' + value % 10);
}

// Reads digits from the front of a text.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}
  bool done() const { return text_.empty(); }
  bool Eat(char c) {
    if (text_.empty() || text_.front() != c) return false;
    text_.remove_prefix(1);
    return true;
  }
  bool Digits(int count, unsigned& value) {
    if (text_.size() < static_cast<std::size_t>(count)) return false;
    value = 0;
    for (int i = 0; i < count; ++i) {
      const char c = text_[static_cast<std::size_t>(i)];
      if (c < '0' || c > '9') return false;
      value = value * 10 + static_cast<unsigned>(c - '0');
    }
    text_.remove_prefix(static_cast<std::size_t>(count));
    return true;
  }
  bool FrontIsDigit() const {
    return !text_.empty() && text_.front() >= '0' && text_.front() <= '9';
  }

 private:
  std::string_view text_;
};

bool IsRealDay(unsigned year, unsigned month, unsigned day) {
  constexpr std::array<unsigned, 12> kDays = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (month < 1 || month > 12 || day < 1) return false;
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return day <= kDays[month - 1] + (month == 2 && leap ? 1 : 0);
}

bool ScanFraction(Scanner& in, std::int64_t& micros) {
  if (!in.Eat('.') && !in.Eat(',')) return true;
  std::int64_t scale = 100'000;
  int digits = 0;
  while (in.FrontIsDigit() && digits < 9) {
    unsigned d = 0;
    in.Digits(1, d);
    micros += static_cast<std::int64_t>(d) * scale;
    scale /= 10;
    ++digits;
  }
  return digits > 0;
}

bool ScanZone(Scanner& in, std::int64_t& offset_s) {
  if (in.done() || in.Eat('Z') || in.Eat('z')) return true;
  const bool plus = in.Eat('+');
  if (!plus && !in.Eat('-')) return false;
  unsigned hours = 0;
  unsigned minutes = 0;
  if (!in.Digits(2, hours)) return false;
  const bool colon = in.Eat(':');
  if (colon || in.FrontIsDigit()) {
    if (!in.Digits(2, minutes)) return false;
  }
  if (hours > 23 || minutes > 59) return false;
  offset_s = static_cast<std::int64_t>(hours * 3600 + minutes * 60) * (plus ? 1 : -1);
  return true;
}

struct Unit {
  std::string_view name;
  std::int64_t size;
};

// Splits "250ms" into 250 and "ms"; nullopt without leading digits or on overflow.
std::optional<std::pair<std::int64_t, std::string_view>> SplitNumber(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number < 0) return std::nullopt;
  return std::pair(number, text.substr(static_cast<std::size_t>(end - text.data())));
}

}  // namespace

void FormatIso8601(UnixMicros at, char* out) {
  constexpr UnixMicros kFirst = DaysFromCivil(0, 1, 1) * kSecondsPerDay * kMicrosPerSecond;
  constexpr UnixMicros kLast = DaysFromCivil(10000, 1, 1) * kSecondsPerDay * kMicrosPerSecond - 1;
  at = at < kFirst ? kFirst : at > kLast ? kLast : at;
  std::int64_t seconds = at / kMicrosPerSecond;
  std::int64_t micros = at % kMicrosPerSecond;
  if (micros < 0) {
    micros += kMicrosPerSecond;
    --seconds;
  }
  std::int64_t days = seconds / kSecondsPerDay;
  std::int64_t rest = seconds % kSecondsPerDay;
  if (rest < 0) {
    rest += kSecondsPerDay;
    --days;
  }
  const Civil c = CivilFromDays(days);
  std::memcpy(out, "0000-00-00T00:00:00.000Z", kIso8601Bytes);
  PutDigits(out, static_cast<unsigned>(c.year), 4);
  PutDigits(out + 5, c.month, 2);
  PutDigits(out + 8, c.day, 2);
  PutDigits(out + 11, static_cast<unsigned>(rest / 3600), 2);
  PutDigits(out + 14, static_cast<unsigned>(rest / 60 % 60), 2);
  PutDigits(out + 17, static_cast<unsigned>(rest % 60), 2);
  PutDigits(out + 20, static_cast<unsigned>(micros / 1000), 3);
}

std::string FormatIso8601(UnixMicros at) {
  std::string out(kIso8601Bytes, '0');
  FormatIso8601(at, out.data());
  return out;
}

std::optional<UnixMicros> ParseIso8601(std::string_view text) {
  Scanner in(text);
  unsigned year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
  std::int64_t micros = 0;
  std::int64_t offset_s = 0;
  if (!in.Digits(4, year) || !in.Eat('-') || !in.Digits(2, month) || !in.Eat('-') ||
      !in.Digits(2, day) || !IsRealDay(year, month, day)) {
    return std::nullopt;
  }
  if (!in.done()) {
    if (!in.Eat('T') && !in.Eat('t') && !in.Eat(' ')) return std::nullopt;
    if (!in.Digits(2, hour) || !in.Eat(':') || !in.Digits(2, minute)) return std::nullopt;
    if (in.Eat(':')) {
      if (!in.Digits(2, second) || !ScanFraction(in, micros)) return std::nullopt;
    }
    if (!ScanZone(in, offset_s) || !in.done()) return std::nullopt;
    // 60 is a leap second: it counts as the first second of the next minute.
    if (hour > 23 || minute > 59 || second > 60) return std::nullopt;
  }
  const std::int64_t seconds = DaysFromCivil(year, month, day) * kSecondsPerDay + hour * 3600 +
                               minute * 60 + second - offset_s;
  return seconds * kMicrosPerSecond + micros;
}

Result<MonoNanos> ParseDuration(std::string_view text) {
  static constexpr std::array<Unit, 5> kUnits = {{{"ms", kNanosPerMilli},
                                                  {"s", kNanosPerSecond},
                                                  {"m", 60 * kNanosPerSecond},
                                                  {"h", 3600 * kNanosPerSecond},
                                                  {"d", 86'400 * kNanosPerSecond}}};
  if (const auto split = SplitNumber(text)) {
    const auto& [number, unit] = *split;
    if (number == 0 && unit.empty()) return 0;
    for (const Unit& u : kUnits) {
      std::int64_t span = 0;
      if (u.name == unit && !__builtin_mul_overflow(number, u.size, &span)) return span;
    }
  }
  return Fail(ErrorCode::kInvalid,
              "'" + std::string(text) + "' is no duration: write it like 250ms, 5s, 10m, 2h or 7d");
}

std::string FormatDuration(MonoNanos span) {
  const std::int64_t ms = span / kNanosPerMilli;
  static constexpr std::array<Unit, 4> kUnits = {
      {{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1000}}};
  for (const Unit& u : kUnits) {
    if (ms != 0 && ms % u.size == 0) return std::to_string(ms / u.size) + std::string(u.name);
  }
  return ms == 0 ? "0s" : std::to_string(ms) + "ms";
}

Result<std::uint64_t> ParseBytes(std::string_view text) {
  static constexpr std::array<Unit, 9> kUnits = {{{"", 1},
                                                  {"B", 1},
                                                  {"KiB", 1 << 10},
                                                  {"MiB", 1 << 20},
                                                  {"GiB", 1 << 30},
                                                  {"TiB", 1LL << 40},
                                                  {"KB", 1000},
                                                  {"MB", 1'000'000},
                                                  {"GB", 1'000'000'000}}};
  if (const auto split = SplitNumber(text)) {
    for (const Unit& u : kUnits) {
      std::int64_t size = 0;
      if (u.name == split->second && !__builtin_mul_overflow(split->first, u.size, &size)) {
        return static_cast<std::uint64_t>(size);
      }
    }
  }
  return Fail(ErrorCode::kInvalid,
              "'" + std::string(text) + "' is no size: write it like 512, 64KiB, 10MiB or 2GiB");
}

}  // namespace tributary
