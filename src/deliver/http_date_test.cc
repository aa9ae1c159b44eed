#include "deliver/http_date.h"

#include <gtest/gtest.h>

namespace tributary::deliver {
namespace {

const UnixMicros kNow = *ParseIso8601("2026-11-21T12:00:00Z");

std::string Read(std::string_view text) {
  const auto at = ParseHttpDate(text, kNow);
  return at ? FormatIso8601(*at) : "none";
}

TEST(HttpDate, AllThreeFormsAreRead) {
  EXPECT_EQ(Read("Sun, 06 Nov 1994 08:49:37 GMT"), "1994-11-06T08:49:37.000Z");
  EXPECT_EQ(Read("Sunday, 06-Nov-94 08:49:37 GMT"), "1994-11-06T08:49:37.000Z");
  EXPECT_EQ(Read("Sun Nov  6 08:49:37 1994"), "1994-11-06T08:49:37.000Z");
  EXPECT_EQ(Read("Sat Nov 26 08:49:37 2026"), "2026-11-26T08:49:37.000Z");
}

TEST(HttpDate, TwoDigitsOfAYearAreAtMostFiftyYearsAhead) {
  EXPECT_EQ(Read("Saturday, 21-Nov-26 12:00:05 GMT"), "2026-11-21T12:00:05.000Z");
  EXPECT_EQ(Read("Saturday, 21-Nov-76 12:00:05 GMT"), "2076-11-21T12:00:05.000Z");
  EXPECT_EQ(Read("Monday, 21-Nov-77 12:00:05 GMT"), "1977-11-21T12:00:05.000Z");
  const auto late = ParseHttpDate("Monday, 01-Jan-01 00:00:00 GMT", *ParseIso8601("2099-12-31"));
  EXPECT_EQ(FormatIso8601(*late), "2101-01-01T00:00:00.000Z");
}

TEST(HttpDate, NothingElseIs) {
  for (const char* text :
       {"", "GMT", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 CET",
        "Sun, 06 Nov 1994 08:49:37 +0000", "1994-11-06T08:49:37Z", "Sun, 31 Feb 1994 08:49:37 GMT",
        "Sunday, 06-Nov-1994 08:49:37 GMT", "Someday, 06-Nov-94 08:49:37 GMT",
        "Sunday, 06-Nov-xx 08:49:37 GMT", "Sun Nov 6 08:49:37 1994", "Sun Nov  6 08:49:37 199x",
        "Sun Foo  6 08:49:37 1994", "Sun Nov  6 25:49:37 1994"}) {
    EXPECT_EQ(Read(text), "none") << text;
  }
}

}  // namespace
}  // namespace tributary::deliver
