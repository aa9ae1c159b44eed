#include "cli/progress_bar.h"

#include <algorithm>
#include <array>
#include <ostream>

#include "os/clock.h"

namespace tributary::cli {
namespace {

constexpr std::size_t kBarColumns = 24;
constexpr MonoNanos kDrawEveryNs = 100 * kNanosPerMilli;

std::string CountText(std::uint64_t count) {
  std::string text = std::to_string(count);
  for (std::size_t at = text.size(); at > 3;) text.insert(at -= 3, ",");
  return text;
}

}  // namespace

std::string BytesText(std::uint64_t bytes) {
  constexpr std::array<const char*, 5> kUnits = {"KiB", "MiB", "GiB", "TiB", "PiB"};
  if (bytes < 1024) return std::to_string(bytes) + " bytes";
  std::size_t unit = 0;
  std::uint64_t tenths = bytes * 10 / 1024;
  for (; tenths >= 10'240 && unit + 1 < kUnits.size(); ++unit) tenths /= 1024;
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " " + kUnits[unit];
}

ProgressBar::ProgressBar(Context& context, std::string what, Unit unit)
    : context_(context), what_(std::move(what)), unit_(unit) {}

ProgressBar::~ProgressBar() {
  if (!pending_.empty()) Draw(pending_);
  if (columns_ > 0) context_.err << '\n' << std::flush;
}

std::string ProgressBar::Line(const std::string& what, Unit unit, std::uint64_t done,
                              std::uint64_t total) {
  const auto text = [unit](std::uint64_t n) {
    return unit == Unit::kBytes ? BytesText(n) : CountText(n);
  };
  if (total == 0) return what + "  " + text(done);
  const std::uint64_t shown = std::min(done, total);
  const auto share = static_cast<double>(shown) / static_cast<double>(total);
  const auto filled = static_cast<std::size_t>(share * kBarColumns);
  const std::string percent = std::to_string(static_cast<int>(share * 100));
  return what + "  [" + std::string(filled, '#') + std::string(kBarColumns - filled, '-') + "] " +
         std::string(3 - std::min<std::size_t>(3, percent.size()), ' ') + percent + " %  " +
         text(done) + " of " + text(total);
}

void ProgressBar::Show(std::uint64_t done, std::uint64_t total) {
  if (!context_.err_is_terminal) return;
  std::string line = Line(what_, unit_, done, total);
  const MonoNanos now = os::SystemClock().Monotonic();
  if (columns_ > 0 && now - drawn_at_ns_ < kDrawEveryNs) {
    pending_ = std::move(line);
    return;
  }
  drawn_at_ns_ = now;
  Draw(line);
}

void ProgressBar::Draw(const std::string& line) {
  const std::size_t rest = columns_ > line.size() ? columns_ - line.size() : 0;
  context_.err << '\r' << line << std::string(rest, ' ') << std::flush;
  columns_ = line.size();
  pending_.clear();
}

}  // namespace tributary::cli
