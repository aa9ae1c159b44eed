#include "event/json_grammar.h"

#include <array>
#include <cstring>

#include "base/limits.h"

namespace tributary::event {
namespace {

bool IsSpace(char c) {
  return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}
bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}
bool IsHex(char c) {
  return IsDigit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

class Grammar {
 public:
  Grammar(const GrammarInput& input, std::vector<std::size_t>& lone_surrogates)
      : in_(input),
        base_(input.text.data()),
        end_(base_ + input.text.size()),
        lone_surrogates_(lone_surrogates) {
    FindBackslash(base_);
  }

  std::optional<GrammarFault> Check() {
    while (fault_ == nullptr && expect_ != Expect::kEnd) {
      if (token_ >= in_.tokens) return GrammarFault{"the text ends too early", in_.text.size()};
      Step(base_[in_.starts[token_]]);
    }
    if (fault_ == nullptr && token_ < in_.tokens) fault_ = "more text after the value";
    if (fault_ == nullptr) return std::nullopt;
    return GrammarFault{fault_, in_.starts[token_]};
  }

 private:
  enum class Expect : std::uint8_t { kValue, kFirstElement, kKey, kFirstKey, kComma, kEnd };

  void Step(char c) {
    switch (expect_) {
      case Expect::kFirstKey:
        if (c == '}') return Close();
        [[fallthrough]];
      case Expect::kKey:
        return Key(c);
      case Expect::kFirstElement:
        if (c == ']') return Close();
        [[fallthrough]];
      case Expect::kValue:
        return Value(c);
      case Expect::kComma:
        return Comma(c);
      case Expect::kEnd:
        return;
    }
  }

  void Key(char c) {
    if (c != '"') return Fault("a key was expected");
    if (!String()) return;
    ++token_;
    if (token_ >= in_.tokens || base_[in_.starts[token_]] != ':') return Fault("':' was expected");
    ++token_;
    expect_ = Expect::kValue;
  }

  void Value(char c) {
    switch (c) {
      case '{':
        return Open(true);
      case '[':
        return Open(false);
      case '"':
        if (!String()) return;
        break;
      case 't':
        if (!Word("true")) return;
        break;
      case 'f':
        if (!Word("false")) return;
        break;
      case 'n':
        if (!Word("null")) return;
        break;
      default:
        if (!Number()) return;
    }
    ++token_;
    AfterValue();
  }

  void Comma(char c) {
    if (c == ',') {
      ++token_;
      expect_ = in_object_ ? Expect::kKey : Expect::kValue;
      return;
    }
    if (c != (in_object_ ? '}' : ']')) return Fault("',' or the end was expected");
    Close();
  }

  void Open(bool object) {
    if (depth_ == kJsonDepthMax) return Fault("nested deeper than 64 levels");
    opened_[depth_] = token_;
    objects_ = objects_ << 1 | (in_object_ ? 1 : 0);
    ++depth_;
    in_object_ = object;
    expect_ = object ? Expect::kFirstKey : Expect::kFirstElement;
    ++token_;
  }

  void Close() {
    --depth_;
    in_.closes[opened_[depth_]] = token_;
    in_object_ = (objects_ & 1) != 0;
    objects_ >>= 1;
    ++token_;
    AfterValue();
  }

  void AfterValue() { expect_ = depth_ == 0 ? Expect::kEnd : Expect::kComma; }

  void Fault(const char* what) { fault_ = what; }

  // The token is a string: nothing but white space stands between its closing quote and the next
  // token, so the end is found from there; only strings with a backslash are looked into.
  bool String() {
    if (backslash_ >= base_ + in_.starts[token_ + 1]) return true;
    const char* close = base_ + in_.starts[token_ + 1] - 1;
    while (IsSpace(*close)) --close;
    while (backslash_ < close) {
      const char* after = Escape(backslash_ + 1, close);
      if (after == nullptr) return Fault("an escape that JSON does not know"), false;
      FindBackslash(after);
    }
    return true;
  }

  void FindBackslash(const char* from) {
    const void* found =
        from < end_ ? std::memchr(from, '\\', static_cast<std::size_t>(end_ - from)) : nullptr;
    backslash_ = found != nullptr ? static_cast<const char*>(found) : end_;
  }

  // `p` is after a backslash; the position after the escape, or nullptr.
  const char* Escape(const char* p, const char* close) {
    if (p >= close) return nullptr;
    if (*p != 'u') return std::strchr("\"\\/bfnrt", *p) != nullptr && *p != '\0' ? p + 1 : nullptr;
    std::uint32_t unit = 0;
    if (!HexUnit(p + 1, close, unit)) return nullptr;
    const char* after = p + 5;
    if (unit < 0xD800 || unit > 0xDFFF) return after;
    std::uint32_t low = 0;
    if (unit < 0xDC00 && after + 1 < close && after[0] == '\\' && after[1] == 'u' &&
        HexUnit(after + 2, close, low) && low >= 0xDC00 && low <= 0xDFFF) {
      return after + 6;
    }
    lone_surrogates_.push_back(static_cast<std::size_t>(p + 1 - base_));
    return after;
  }

  static bool HexUnit(const char* p, const char* close, std::uint32_t& unit) {
    if (close - p < 4) return false;
    for (int i = 0; i < 4; ++i) {
      if (!IsHex(p[i])) return false;
      unit = unit << 4 |
             static_cast<std::uint32_t>(IsDigit(p[i]) ? p[i] - '0' : (p[i] | 0x20) - 'a' + 10);
    }
    return true;
  }

  // Whether a number or word may end at `p`.
  bool Ends(const char* p) const {
    return p == end_ || IsSpace(*p) || *p == ',' || *p == '}' || *p == ']' || *p == ':';
  }

  bool Word(std::string_view word) {
    const char* p = base_ + in_.starts[token_];
    const auto left = static_cast<std::size_t>(end_ - p);
    if (left >= word.size() && std::memcmp(p, word.data(), word.size()) == 0 &&
        Ends(p + word.size())) {
      return true;
    }
    return Fault("a value was expected"), false;
  }

  const char* Digits(const char* p) const {
    while (p < end_ && IsDigit(*p)) ++p;
    return p;
  }

  bool Number() {
    const char* p = base_ + in_.starts[token_];
    const bool negative = *p == '-';
    if (negative) ++p;
    const char* q = Digits(p);
    bool good = q > p && (*p != '0' || q == p + 1);
    if (good && q < end_ && *q == '.') {
      p = q + 1;
      q = Digits(p);
      good = q > p;
    }
    if (good && q < end_ && (*q | 0x20) == 'e') {
      p = q + 1;
      if (p < end_ && (*p == '+' || *p == '-')) ++p;
      q = Digits(p);
      good = q > p;
    }
    if (good && Ends(q)) return true;
    return Fault("a value was expected"), false;
  }

  const GrammarInput in_;
  const char* const base_;
  const char* const end_;
  std::vector<std::size_t>& lone_surrogates_;

  std::uint32_t token_ = 0;
  Expect expect_ = Expect::kValue;
  bool in_object_ = false;
  const char* backslash_ = nullptr;  // the first one not yet looked at, or end_
  const char* fault_ = nullptr;
  std::size_t depth_ = 0;
  std::uint64_t objects_ = 0;  // one bit per open level below the current: is it an object?
  std::array<std::uint32_t, kJsonDepthMax> opened_;
};
static_assert(kJsonDepthMax <= 64, "objects_ has one bit per level");

}  // namespace

std::optional<GrammarFault> CheckGrammar(const GrammarInput& input,
                                         std::vector<std::size_t>& lone_surrogates) {
  return Grammar(input, lone_surrogates).Check();
}

}  // namespace tributary::event
