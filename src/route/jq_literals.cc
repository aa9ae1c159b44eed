#include "route/jq_literals.h"

#include <algorithm>
#include <vector>

#include "base/ascii.h"
#include "route/decimal.h"

namespace tributary::route {
namespace {

bool IsNameStart(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$' || c == '@';
}

// Reads as jq's lexer does, as far as it takes to tell numbers from what only looks like one.
class LiteralReader {
 public:
  explicit LiteralReader(std::string_view text) : text_(text) {}

  std::optional<std::string> Next() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '#') {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else if (c == '"') {
        ++at_;
        SkipString();
      } else if (c == '(' || c == ')') {
        ++at_;
        if (c == '(') ++open_;
        if (c == ')') Close();
      } else if (IsNameStart(c)) {
        SkipName();
      } else if (IsAsciiDigit(c) || (c == '.' && IsAsciiDigit(Ahead(1)))) {
        return Number();
      } else {
        ++at_;
      }
    }
    return std::nullopt;
  }

 private:
  char Ahead(std::size_t by) const { return at_ + by < text_.size() ? text_[at_ + by] : '\0'; }

  void SkipName() {
    while (at_ < text_.size() && (IsNameStart(text_[at_]) || IsAsciiDigit(text_[at_]))) ++at_;
  }

  // Until the string's end, or into an interpolation, whose end leads back.
  void SkipString() {
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == '"') return;
      if (c != '\\' || at_ == text_.size()) continue;
      if (text_[at_++] == '(') {
        outer_.push_back(open_);
        open_ = 0;
        return;
      }
    }
  }

  void Close() {
    if (open_ > 0) {
      --open_;
    } else if (!outer_.empty()) {
      open_ = outer_.back();
      outer_.pop_back();
      SkipString();
    }
  }

  void SkipDigits() {
    while (at_ < text_.size() && IsAsciiDigit(text_[at_])) ++at_;
  }

  std::string Number() {
    const std::size_t from = at_;
    SkipDigits();
    if (Ahead(0) == '.') {
      ++at_;
      SkipDigits();
    }
    if (Ahead(0) == 'e' || Ahead(0) == 'E') {
      const std::size_t sign = Ahead(1) == '+' || Ahead(1) == '-' ? 2 : 1;
      if (IsAsciiDigit(Ahead(sign))) {
        at_ += sign;
        SkipDigits();
      }
    }
    return std::string(text_.substr(from, at_ - from));
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int open_ = 0;            // parentheses, since the innermost interpolation began
  std::vector<int> outer_;  // of the ones around it
};

}  // namespace

std::optional<std::string> FirstInexactLiteral(std::string_view program) {
  LiteralReader reader(program);
  while (const auto number = reader.Next()) {
    // jq writes ".5" and "5." too; JSON, which is what is asked here, does not.
    const std::string json_text = "0" + *number;
    if (FirstInexactNumber(json_text)) return number;
  }
  return std::nullopt;
}

}  // namespace tributary::route
