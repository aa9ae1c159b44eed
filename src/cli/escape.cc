#include "cli/escape.h"

#include <cstdint>
#include <cstdio>

namespace tributary::cli {
namespace {

struct Character {
  std::uint32_t code = 0;
  std::size_t bytes = 0;  // 0: no UTF-8 here
};

bool IsContinuation(char c) {
  return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}

// The first character of `text`, judged as RFC 3629 does: no overlong forms, no surrogates.
Character FirstOf(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text.front());
  if (lead < 0x80) return {lead, 1};
  const std::size_t bytes = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < bytes) return {};
  std::uint32_t code = lead & (0x7Fu >> bytes);
  for (std::size_t i = 1; i < bytes; ++i) {
    if (!IsContinuation(text[i])) return {};
    code = code << 6 | (static_cast<unsigned char>(text[i]) & 0x3Fu);
  }
  constexpr std::uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
  if (code < kSmallest[bytes] || code > 0x10FFFF || surrogate) return {};
  return {code, bytes};
}

bool IsHarmful(std::uint32_t code) {
  if (code < 0x20 || (code >= 0x7F && code <= 0x9F)) return true;
  return code == 0x061C || (code >= 0x200B && code <= 0x200F) ||
         (code >= 0x2028 && code <= 0x202E) || (code >= 0x2060 && code <= 0x2069) || code == 0xFEFF;
}

std::string Hex(const char* format, unsigned value) {
  char out[16];
  std::snprintf(out, sizeof out, format, value);
  return out;
}

std::string EscapeOf(std::uint32_t code) {
  switch (code) {
    case '\n':
      return "\\n";
    case '\r':
      return "\\r";
    case '\t':
      return "\\t";
    default:
      return code < 0x80 ? Hex("\\x%02x", code) : Hex("\\u%04x", code);
  }
}

std::string Escape(std::string_view text, bool block) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Character c = FirstOf(text);
    const std::size_t bytes = c.bytes == 0 ? 1 : c.bytes;
    if (c.bytes == 0) {
      out += Hex("\\x%02x", static_cast<unsigned char>(text.front()));
    } else if (IsHarmful(c.code) && !(block && (c.code == '\n' || c.code == '\t'))) {
      out += EscapeOf(c.code);
    } else {
      out += text.substr(0, bytes);
    }
    text.remove_prefix(bytes);
  }
  return out;
}

}  // namespace

std::string EscapeLine(std::string_view text) {
  return Escape(text, false);
}
std::string EscapeBlock(std::string_view text) {
  return Escape(text, true);
}

std::string_view CutText(std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  std::size_t end = bytes_max;
  // What follows decides: inside a character it is a continuation. At most three steps back, so
  // that a row of stray continuation bytes is not eaten up.
  for (int steps = 0; steps < 3 && end > 0 && IsContinuation(text[end]); ++steps) --end;
  return text.substr(0, IsContinuation(text[end]) ? bytes_max : end);
}

std::size_t Columns(std::string_view text) {
  std::size_t columns = 0;
  for (const char c : text) columns += IsContinuation(c) ? 0 : 1;
  return columns;
}

}  // namespace tributary::cli
