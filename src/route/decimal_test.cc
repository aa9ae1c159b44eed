#include "route/decimal.h"

#include <gtest/gtest.h>

namespace tributary::route {
namespace {

std::string Inexact(std::string_view json) {
  return std::string(FirstInexactNumber(json).value_or("-"));
}

TEST(Decimal, SameValueInAnyWritingIsEqual) {
  EXPECT_EQ(Decimal("100"), Decimal("1e2"));
  EXPECT_EQ(Decimal("100"), Decimal("100.000"));
  EXPECT_EQ(Decimal("0.001"), Decimal("1E-3"));
  EXPECT_EQ(Decimal("-0.0"), Decimal("0"));
  EXPECT_EQ(Decimal("0e999999999999999999999"), Decimal("0"));
  EXPECT_NE(Decimal("12345678901234567890"), Decimal("12345678901234567891"));
  EXPECT_NE(Decimal("1"), Decimal("-1"));
}

TEST(Decimal, OrderIsExactPastDoubles) {
  EXPECT_LT(Decimal("9007199254740992"), Decimal("9007199254740993"));
  EXPECT_GT(Decimal("-9007199254740992"), Decimal("-9007199254740993"));
  EXPECT_LT(Decimal("0.1"), Decimal("0.10000000000000000001"));
  EXPECT_LT(Decimal("-1"), Decimal("0"));
  EXPECT_LT(Decimal("0"), Decimal("1e-400"));
  EXPECT_LT(Decimal("9"), Decimal("10"));
  EXPECT_LT(Decimal("99e-1"), Decimal("1e1"));
  EXPECT_GT(Decimal("1e400"), Decimal("9.9e399"));
  EXPECT_LT(Decimal("12"), Decimal("123"));
}

TEST(InexactNumber, WhatADoubleHoldsPasses) {
  EXPECT_EQ(Inexact(R"({"a":9007199254740992,"b":[0.1,-1e22,1E+2],"c":"9007199254740993"})"), "-");
  EXPECT_EQ(Inexact("100000000000000000000"), "-");  // 1e20 is a double
  EXPECT_EQ(Inexact("5e-324"), "-");
  EXPECT_EQ(Inexact("123456789012345"), "-");
  EXPECT_EQ(Inexact("1.0000000000000000000000"), "-");
  EXPECT_EQ(Inexact("0e400"), "-");
  EXPECT_EQ(Inexact(R"({"1e999":"\\\"9007199254740993"})"), "-");
}

TEST(InexactNumber, WhatItWouldChangeIsNamed) {
  EXPECT_EQ(Inexact(R"({"a":1,"id":9007199254740993})"), "9007199254740993");
  EXPECT_EQ(Inexact("[-123456789012345678]"), "-123456789012345678");
  EXPECT_EQ(Inexact("0.1000000000000000055511151231257827"),
            "0.1000000000000000055511151231257827");
  EXPECT_EQ(Inexact("3.14159265358979323846"), "3.14159265358979323846");
  EXPECT_EQ(Inexact("1e400"), "1e400");
  EXPECT_EQ(Inexact("1e-400"), "1e-400");
  EXPECT_EQ(Inexact("123456789012345e-330"),
            "123456789012345e-330");  // a subnormal has fewer digits
}

TEST(InexactNumber, ItsPlaceIsSaid) {
  const std::string_view event = R"({"a":[0,{"b c":{"id":9007199254740993}}]})";
  EXPECT_EQ(PathOfNumber(event, *FirstInexactNumber(event)), "a[1].b c.id");
  const std::string_view bare = "9007199254740993";
  EXPECT_EQ(PathOfNumber(bare, bare), "");
}

}  // namespace
}  // namespace tributary::route
