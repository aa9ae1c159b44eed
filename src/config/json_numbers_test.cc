#include <gtest/gtest.h>

#include "config/json_text.h"

namespace tributary::config {
namespace {

TEST(JsonNumbers, WhatADoubleHoldsIsKept) {
  for (const char* text :
       {R"({"a":[0,-0,0.0,1.5,100,1e2,0.1,1E+21,5e-324,1.7976931348623157e308]})",
        R"({"a":[9007199254740993,18446744073709551615,-9223372036854775808]})",
        R"({"a":[100000000000000000000,0.30000000000000004,12.50]})", "[1", "", "[1e999]"}) {
    EXPECT_TRUE(CheckNumbersAreKept(text)) << text;
  }
}

TEST(JsonNumbers, WhatItWouldChangeIsNamedWithItsField) {
  for (const char* number :
       {"18446744073709551617", "-9223372036854775809", "100000000000000000000000000001",
        "0.10000000000000001", "3.14159265358979323846", "1e-400"}) {
    const std::string text =
        R"({"name":"d","pattern":{"b":{"c":[)" + std::string(number) + R"(]}},"z":1})";
    const Status checked = CheckNumbersAreKept(text);
    ASSERT_FALSE(checked) << number;
    EXPECT_EQ(checked.error().field(), "pattern");
    EXPECT_NE(checked.error().message().find(number), std::string::npos);
  }
}

}  // namespace
}  // namespace tributary::config
