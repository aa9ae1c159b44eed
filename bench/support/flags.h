#pragma once

// Command line of the bench programs: `--name value` and `--switch`. A name that nobody asked for
// is refused by Done, so that a misspelt option cannot silently change what is measured. Thread:
// main.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "bench/support/die.h"

namespace tributary::bench {

class Flags {
 public:
  Flags(int argc, char** argv, std::string usage)
      : arguments_(argv + 1, argv + argc), used_(arguments_.size()), usage_(std::move(usage)) {}

  std::string Text(std::string_view name, std::string fallback) {
    const size_t at = Find(name);
    if (at == arguments_.size()) return fallback;
    if (at + 1 == arguments_.size()) Refuse(arguments_[at] + " wants a value");
    used_[at] = used_[at + 1] = true;
    return arguments_[at + 1];
  }

  double Number(std::string_view name, double fallback) {
    const std::string text = Text(name, "");
    if (text.empty()) return fallback;
    char* end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    if (*end != '\0' || !(value >= 0)) Refuse("--" + std::string(name) + " wants a number");
    return value;
  }

  // A whole number from `least` up.
  int64_t Count(std::string_view name, int64_t fallback, int64_t least) {
    const double value = Number(name, static_cast<double>(fallback));
    const auto whole = static_cast<int64_t>(value);
    if (static_cast<double>(whole) != value || whole < least) {
      Refuse("--" + std::string(name) + " wants a whole number from " + std::to_string(least));
    }
    return whole;
  }

  bool Switch(std::string_view name) {
    const size_t at = Find(name);
    if (at == arguments_.size()) return false;
    used_[at] = true;
    return true;
  }

  // Call after the last question: whatever was not asked for is an error.
  void Done() {
    for (size_t i = 0; i < arguments_.size(); ++i) {
      if (!used_[i]) Refuse("what is " + arguments_[i] + "?");
    }
  }

 private:
  [[noreturn]] void Refuse(const std::string& why) { Die(why + "\n" + usage_); }

  size_t Find(std::string_view name) const {
    for (size_t i = 0; i < arguments_.size(); ++i) {
      const std::string_view argument = arguments_[i];
      if (!used_[i] && argument.starts_with("--") && argument.substr(2) == name) return i;
    }
    return arguments_.size();
  }

  std::vector<std::string> arguments_;
  std::vector<bool> used_;
  std::string usage_;
};

}  // namespace tributary::bench
