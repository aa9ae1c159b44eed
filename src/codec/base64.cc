#include "codec/base64.h"

#include <array>
#include <cstdint>

namespace tributary::codec {
namespace {

constexpr std::string_view kStandard =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kUrlSafe =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

using Table = std::array<std::int16_t, 256>;

constexpr Table MakeTable(std::string_view alphabet, bool also_other) {
  Table table{};
  table.fill(-1);
  for (std::size_t i = 0; i < alphabet.size(); ++i) {
    table[static_cast<unsigned char>(alphabet[i])] = static_cast<std::int16_t>(i);
  }
  if (also_other) table['-'] = 62, table['_'] = 63;
  return table;
}
constexpr Table kStrictTable = MakeTable(kStandard, false);
constexpr Table kUrlTable = MakeTable(kUrlSafe, false);
constexpr Table kLenientTable = MakeTable(kStandard, true);

std::string Encode(std::string_view bytes, std::string_view alphabet, bool pad) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  std::size_t i = 0;
  const auto at = [&](std::size_t n) { return static_cast<unsigned char>(bytes[n]); };
  for (; i + 3 <= bytes.size(); i += 3) {
    const unsigned v = unsigned{at(i)} << 16 | unsigned{at(i + 1)} << 8 | at(i + 2);
    const char four[] = {alphabet[v >> 18], alphabet[v >> 12 & 63], alphabet[v >> 6 & 63],
                         alphabet[v & 63]};
    out.append(four, 4);
  }
  const std::size_t rest = bytes.size() - i;
  if (rest == 0) return out;
  const unsigned v = unsigned{at(i)} << 16 | (rest == 2 ? unsigned{at(i + 1)} << 8 : 0u);
  out += alphabet[v >> 18];
  out += alphabet[v >> 12 & 63];
  if (rest == 2) out += alphabet[v >> 6 & 63];
  if (pad) out.append(3 - rest, '=');
  return out;
}

std::unexpected<Error> NotBase64(std::size_t at) {
  return Fail(ErrorCode::kInvalid, "not Base64 at byte " + std::to_string(at));
}

bool IsSpace(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

// Length of the text without its padding; padding that the form does not allow stays and is then
// found to be no digit.
std::size_t DigitsEnd(std::string_view text, Base64 form) {
  std::size_t end = text.size();
  if (form == Base64::kUrl) return end;
  const bool lenient = form == Base64::kLenient;
  const auto skip_space = [&] {
    while (lenient && end > 0 && IsSpace(text[end - 1])) --end;
  };
  skip_space();
  for (int pad = 0; pad < 2 && end > 0 && text[end - 1] == '='; ++pad) {
    --end;
    skip_space();
  }
  return end;
}

const Table& TableOf(Base64 form) {
  switch (form) {
    case Base64::kStrict:
      return kStrictTable;
    case Base64::kUrl:
      return kUrlTable;
    case Base64::kLenient:
      break;
  }
  return kLenientTable;
}

}  // namespace

std::string Base64Encode(std::string_view bytes) {
  return Encode(bytes, kStandard, true);
}
std::string Base64UrlEncode(std::string_view bytes) {
  return Encode(bytes, kUrlSafe, false);
}

Result<std::string> Base64Decode(std::string_view text, Base64 form) {
  const std::size_t end = DigitsEnd(text, form);
  if (form == Base64::kStrict && text.size() % 4 != 0) return NotBase64(text.size());
  const Table& table = TableOf(form);
  std::string out;
  out.reserve(end * 3 / 4);
  unsigned bits = 0, count = 0, digits = 0;
  for (std::size_t i = 0; i < end; ++i) {
    if (form == Base64::kLenient && IsSpace(text[i])) continue;
    const int digit = table[static_cast<unsigned char>(text[i])];
    if (digit < 0) return NotBase64(i);
    bits = bits << 6 | static_cast<unsigned>(digit);
    count += 6;
    ++digits;
    if (count < 8) continue;
    count -= 8;
    out += static_cast<char>(bits >> count & 0xFF);
  }
  if (digits % 4 == 1) return NotBase64(end);
  const bool unused_bits = (bits & ((1u << count) - 1)) != 0;
  if (unused_bits && form != Base64::kLenient) return NotBase64(end);
  if (form == Base64::kStrict && (digits + 3) / 4 * 4 != text.size()) return NotBase64(end);
  return out;
}

}  // namespace tributary::codec
