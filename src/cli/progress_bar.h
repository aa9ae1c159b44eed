// A line on standard error that shows how far something is; only when somebody watches a terminal.
//
//   backing up  [###########---------]  55 %  1.2 GiB of 2.1 GiB
//
// Drawn again at most every 100 ms. One thread.
#pragma once

#include <cstdint>
#include <string>

#include "cli/registry.h"

namespace tributary::cli {

class ProgressBar {
 public:
  enum class Unit { kBytes, kCount };
  ProgressBar(Context& context, std::string what, Unit unit);
  ~ProgressBar();  // leaves the last state on its line
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  // A total of 0 is one that is not known: only what is done is shown.
  void Show(std::uint64_t done, std::uint64_t total);

  // The line without the part that moves the cursor. Pure.
  static std::string Line(const std::string& what, Unit unit, std::uint64_t done,
                          std::uint64_t total);

 private:
  Context& context_;
  const std::string what_;
  const Unit unit_;
  MonoNanos drawn_at_ns_ = 0;
  std::size_t columns_ = 0;  // of the last line
  std::string pending_;      // a state that was not drawn, being too soon after another
  void Draw(const std::string& line);
};

// "1.2 GiB", "17 bytes".
std::string BytesText(std::uint64_t bytes);

}  // namespace tributary::cli
