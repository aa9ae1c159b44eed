#include "route/jq_literals.h"

#include <gtest/gtest.h>

namespace tributary::route {
namespace {

std::string First(std::string_view program) {
  return FirstInexactLiteral(program).value_or("");
}

TEST(JqLiterals, NumbersThatJqWouldChangeAreFound) {
  EXPECT_EQ(First(".id == 9007199254740993"), "9007199254740993");
  EXPECT_EQ(First("{a: 1, b: [2, -12345678901234567891]}"), "12345678901234567891");
  EXPECT_EQ(First("0.12345678901234567890 * 2"), "0.12345678901234567890");
  EXPECT_EQ(First(".9007199254740993e16"), ".9007199254740993e16");
  EXPECT_EQ(First("1e1000"), "1e1000");
  EXPECT_EQ(First(R"("a \(.x + (9007199254740993)) b")"), "9007199254740993");
  EXPECT_EQ(First(R"x("a \("b \(1)" + "\(9007199254740993)")")x"), "9007199254740993");
  EXPECT_EQ(First("# note\n9007199254740993"), "9007199254740993");
}

TEST(JqLiterals, WhatKeepsItsValueOrIsNoNumberIsNot) {
  for (const char* program : {"",
                              ".",
                              "9007199254740992",
                              "1e300",
                              "100000000000000000000",
                              "0.1",
                              ".5",
                              "5.",
                              "1.e2",
                              R"("9007199254740993")",
                              R"("\"9007199254740993")",
                              R"("\(1) 9007199254740993")",
                              "# 9007199254740993",
                              ".a9007199254740993",
                              "$x9007199254740993",
                              ".[1:2]",
                              "..",
                              R"(.["9007199254740993"])",
                              "def f9007199254740993: 1; f9007199254740993",
                              R"("not ended 9007199254740993)",
                              R"("\()",
                              ")9",
                              "@base64"}) {
    EXPECT_EQ(First(program), "") << program;
  }
}

}  // namespace
}  // namespace tributary::route
