#include "event/json_text.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "base/check.h"

namespace tributary::event {
namespace {

void AppendEscape(std::string& out, char c) {
  static constexpr char kDigits[] = "0123456789abcdef";
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      break;
  }
  out += "\\u00";
  out += kDigits[(c >> 4) & 15];
  out += kDigits[c & 15];
}

unsigned HexDigit(char c) {
  if (c <= '9') return static_cast<unsigned>(c - '0');
  return static_cast<unsigned>((c | 0x20) - 'a' + 10);
}
std::uint32_t HexUnit(const char* p) {
  return HexDigit(p[0]) << 12 | HexDigit(p[1]) << 8 | HexDigit(p[2]) << 4 | HexDigit(p[3]);
}

void AppendUtf8(std::string& out, std::uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | code >> 6);
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0 | code >> 12);
    out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | code >> 18);
    out += static_cast<char>(0x80 | (code >> 12 & 0x3F));
    out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  }
}

// Undoes the \u escape whose first hex digit is at `at`; returns the position after it.
std::size_t AppendUnicodeEscape(std::string& out, std::string_view inside, std::size_t at) {
  constexpr std::uint32_t kReplacement = 0xFFFD;
  const std::uint32_t unit = HexUnit(inside.data() + at);
  at += 4;
  if (unit < 0xD800 || unit > 0xDFFF) {
    AppendUtf8(out, unit);
    return at;
  }
  const bool pair_follows =
      unit < 0xDC00 && inside.size() >= at + 6 && inside[at] == '\\' && inside[at + 1] == 'u';
  const std::uint32_t low = pair_follows ? HexUnit(inside.data() + at + 2) : 0;
  if (low < 0xDC00 || low > 0xDFFF) {
    AppendUtf8(out, kReplacement);
    return at;
  }
  AppendUtf8(out, 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00));
  return at + 6;
}

// Walks well-formed JSON text; positions are indexes into it.
class Walker {
 public:
  explicit Walker(std::string_view text) : text_(text) {}

  std::size_t SkipSpace(std::size_t at) const {
    while (at < text_.size() &&
           (text_[at] == ' ' || text_[at] == '\n' || text_[at] == '\r' || text_[at] == '\t')) {
      ++at;
    }
    return at;
  }
  // `at` is an opening quote; the position after the closing one.
  std::size_t SkipString(std::size_t at) const {
    for (++at; at < text_.size() && text_[at] != '"'; ++at) {
      if (text_[at] == '\\') ++at;
    }
    return at + 1;
  }
  std::size_t SkipValue(std::size_t at) const {
    if (text_[at] == '"') return SkipString(at);
    if (text_[at] != '{' && text_[at] != '[') {
      const std::size_t end = text_.find_first_of(",]} \n\r\t", at);
      return end == std::string_view::npos ? text_.size() : end;
    }
    int depth = 0;
    while (at < text_.size()) {
      const char c = text_[at];
      if (c == '"') {
        at = SkipString(at);
        continue;
      }
      ++at;
      if (c == '{' || c == '[') ++depth;
      if ((c == '}' || c == ']') && --depth == 0) return at;
    }
    return at;
  }

 private:
  std::string_view text_;
};

}  // namespace

void AppendJsonString(std::string& out, std::string_view text) {
  out += '"';
  std::size_t done = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (static_cast<unsigned char>(c) >= 0x20 && c != '"' && c != '\\') continue;
    out.append(text.substr(done, i - done));
    AppendEscape(out, c);
    done = i + 1;
  }
  out.append(text.substr(done));
  out += '"';
}

void AppendUnescaped(std::string& out, std::string_view inside) {
  std::size_t at = 0;
  while (at < inside.size()) {
    const std::size_t slash = std::min(inside.find('\\', at), inside.size());
    out.append(inside.substr(at, slash - at));
    at = slash;
    if (at + 1 >= inside.size()) return;
    const char c = inside[at + 1];
    at += 2;
    switch (c) {
      case 'b':
        out += '\b';
        break;
      case 'f':
        out += '\f';
        break;
      case 'n':
        out += '\n';
        break;
      case 'r':
        out += '\r';
        break;
      case 't':
        out += '\t';
        break;
      case 'u':
        at = AppendUnicodeEscape(out, inside, at);
        break;
      default:
        out += c;  // quote, slash or backslash
    }
  }
}

std::string_view Unescaped(std::string_view inside, std::string& scratch) {
  if (inside.find('\\') == std::string_view::npos) return inside;
  scratch.clear();
  AppendUnescaped(scratch, inside);
  return scratch;
}

void FindRawFields(std::string_view object, std::span<const std::string_view> names,
                   std::span<std::string_view> raw) {
  CHECK(names.size() == raw.size());
  std::fill(raw.begin(), raw.end(), std::string_view());
  const Walker walker(object);
  std::string scratch;
  std::size_t at = walker.SkipSpace(0);
  if (at >= object.size() || object[at] != '{') return;
  at = walker.SkipSpace(at + 1);
  while (at < object.size() && object[at] == '"') {
    const std::size_t key_end = walker.SkipString(at);
    const std::string_view key = Unescaped(object.substr(at + 1, key_end - at - 2), scratch);
    const std::size_t value = walker.SkipSpace(walker.SkipSpace(key_end) + 1);  // past the colon
    const std::size_t end = walker.SkipValue(value);
    const auto found = std::find(names.begin(), names.end(), key);
    if (found != names.end()) {
      raw[static_cast<std::size_t>(found - names.begin())] = object.substr(value, end - value);
    }
    at = walker.SkipSpace(end);
    if (at < object.size() && object[at] == ',') at = walker.SkipSpace(at + 1);
  }
}

std::string_view FindRawField(std::string_view object, std::string_view name) {
  std::string_view raw;
  FindRawFields(object, std::span(&name, 1), std::span(&raw, 1));
  return raw;
}

bool RawStringText(std::string_view raw, std::string& text) {
  if (raw.size() < 2 || raw.front() != '"') return false;
  text.clear();
  AppendUnescaped(text, raw.substr(1, raw.size() - 2));
  return true;
}

}  // namespace tributary::event
