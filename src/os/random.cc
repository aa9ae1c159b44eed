#include "os/random.h"

#include <array>

#include "base/bytes.h"

namespace tributary::os {

std::uint64_t Random::Next() {
  std::array<unsigned char, 8> bytes;
  Fill(bytes);
  return LoadLe<std::uint64_t>(bytes.data());
}

double Random::NextUnit() {
  return static_cast<double>(Next() >> 11) * 0x1.0p-53;
}

std::string Random::Uuid() {
  std::array<unsigned char, 16> bytes;
  Fill(bytes);
  bytes[6] = static_cast<unsigned char>((bytes[6] & 0x0F) | 0x40);
  bytes[8] = static_cast<unsigned char>((bytes[8] & 0x3F) | 0x80);
  std::string hex = ToHex(bytes);
  for (const std::size_t at : {8u, 13u, 18u, 23u}) hex.insert(at, 1, '-');
  return hex;
}

}  // namespace tributary::os
