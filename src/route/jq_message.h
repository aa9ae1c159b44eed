// What a process that runs jq programs and its parent say to each other, and what both know of jq.
//
//   question   u32 length of the rest, u8 JqTask, u32 length of the program, program, input
//   answer     u32 length of the rest, u8 JqVerdict, u32 µs of processor time of the run, text
//
// Both ends are one and the same executable, so there is no version. Pure functions; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tributary::route {

inline constexpr std::size_t kJqProgramBytesMax = 64 * 1024;
inline constexpr std::size_t kJqOutputBytesMax = 4 * 1024 * 1024;  // of one mapping

enum class JqTask : std::uint8_t {
  kCompile = 0,  // the input is empty; fine: the text is empty
  kFilter = 1,   // fine: "true" or "false", whether the first output is neither false nor null
  kMapping = 2,  // fine: the one output as compact JSON
};

enum class JqVerdict : std::uint8_t {
  kFine = 0,
  kInvalid = 1,   // the text says why
  kTooSlow = 2,   // the time limit
  kNoMemory = 3,  // and the process ends
};

std::string JqQuestion(JqTask task, std::string_view program, std::string_view input);

struct JqAsked {
  JqTask task = JqTask::kCompile;
  std::string_view program;
  std::string_view input;
};
// Of the bytes behind the length. nullopt: not made by JqQuestion.
std::optional<JqAsked> ReadJqQuestion(std::string_view rest);

struct JqAnswer {
  JqVerdict verdict = JqVerdict::kFine;
  std::string text;
  std::uint32_t used_us = 0;
};
std::string JqAnswerBytes(const JqAnswer& answer);
// Takes one whole answer off the front of `bytes`; nullopt: there is none yet.
std::optional<JqAnswer> TakeJqAnswer(std::string& bytes);

}  // namespace tributary::route
