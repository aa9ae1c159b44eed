#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/hash.h"
#include "base/time.h"

#include <gtest/gtest.h>

namespace tributary {
namespace {

// Bit by bit, as the polynomial says.
std::uint32_t PlainCrc32c(std::string_view bytes, std::uint32_t crc) {
  crc = ~crc;
  for (const char c : bytes) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82F63B78 : 0);
  }
  return ~crc;
}

TEST(Crc32c, EveryLengthAroundTheBlocksThatRunSideBySideIsRight) {
  std::string bytes;
  for (unsigned i = 0; bytes.size() < 1600; ++i) bytes += static_cast<char>(i * 2654435761U >> 24);
  for (std::size_t size = 0; size <= bytes.size(); ++size) {
    const std::string_view part = std::string_view(bytes).substr(0, size);
    ASSERT_EQ(Crc32c(part), PlainCrc32c(part, 0)) << size;
    ASSERT_EQ(Crc32c(part, 0xDEADBEEF), PlainCrc32c(part, 0xDEADBEEF)) << size;
  }
}

TEST(Crc32c, HasTheCheckValueOfRfc3720AndChains) {
  EXPECT_EQ(Crc32c("123456789"), 0xE3069283u);
  EXPECT_EQ(Crc32c("56789", Crc32c("1234")), 0xE3069283u);
}

TEST(Hash, SlotsAreStableBecauseTheyAreOnDisk) {
  EXPECT_EQ(Hash64("user-1"), Hash64("user-1"));
  EXPECT_EQ(HashOf128("").ToHex().size(), 32u);
  EXPECT_EQ(HashOf128("").ToHex(), "99aa06d3014798d86001c324468d497f");
}

TEST(Iso8601, RoundTripsMilliseconds) {
  const auto at = ParseIso8601("2026-11-21T09:33:48.440Z");
  ASSERT_TRUE(at);
  EXPECT_EQ(FormatIso8601(*at), "2026-11-21T09:33:48.440Z");
}

TEST(Iso8601, EveryFormOfTheFactSheetParsesToTheSameInstant) {
  const auto want = ParseIso8601("2020-01-02T01:04:05Z");
  for (const char* text : {"2020-01-02T03:04:05.000+02:00", "2020-01-02T03:04:05+0200",
                           "2020-01-02T03:04:05.000000000+02", "2020-01-02 01:04:05"}) {
    EXPECT_EQ(ParseIso8601(text), want) << text;
  }
  EXPECT_EQ(FormatIso8601(*ParseIso8601("2020-02-29")), "2020-02-29T00:00:00.000Z");
  EXPECT_EQ(*ParseIso8601("1970-01-01T00:00:00.123456789Z"), 123456);
}

TEST(Iso8601, WhatIsNoTimeIsRefused) {
  for (const char* text :
       {"", "now", "2020-02-30", "2020-13-01", "2020-1-1", "2020-01-01T25:00:00Z",
        "2020-01-01T00:00:00.Z", "2020-01-01T00:00:00Zx", "2020-01-01T00:00:00+25:00",
        "2020-01-01T00:00:00.1234567890Z", "1795253425219"}) {
    EXPECT_FALSE(ParseIso8601(text)) << text;
  }
}

TEST(Iso8601, AbsurdYearsAreClampedNotWrapped) {
  EXPECT_EQ(FormatIso8601(INT64_MAX).substr(0, 4), "9999");
  EXPECT_EQ(FormatIso8601(INT64_MIN).substr(0, 4), "0000");
}

TEST(Duration, FormsOfTheDesignParseAndPrint) {
  EXPECT_EQ(*ParseDuration("250ms"), 250 * kNanosPerMilli);
  EXPECT_EQ(*ParseDuration("7d"), 7 * 86'400 * kNanosPerSecond);
  EXPECT_EQ(FormatDuration(*ParseDuration("10m")), "10m");
  EXPECT_EQ(FormatDuration(*ParseDuration("1500ms")), "1500ms");
  for (const char* text : {"", "5", "s", "-1s", "5 s", "9999999999999d"}) {
    EXPECT_FALSE(ParseDuration(text)) << text;
  }
}

TEST(Bytes, SizesOfPeopleParse) {
  EXPECT_EQ(*ParseBytes("64KiB"), 65536u);
  EXPECT_EQ(*ParseBytes("500KB"), 500'000u);
  EXPECT_FALSE(ParseBytes("10 GiB"));
}

}  // namespace
}  // namespace tributary
