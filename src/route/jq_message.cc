#include "route/jq_message.h"

#include "base/bytes.h"

namespace tributary::route {
namespace {

constexpr std::size_t kAnswerHead = 1 + sizeof(std::uint32_t);

}  // namespace

std::string JqQuestion(JqTask task, std::string_view program, std::string_view input) {
  std::string out;
  const std::size_t rest = 1 + sizeof(std::uint32_t) + program.size() + input.size();
  out.reserve(sizeof(std::uint32_t) + rest);
  AppendLe(out, static_cast<std::uint32_t>(rest));
  out += static_cast<char>(task);
  AppendLe(out, static_cast<std::uint32_t>(program.size()));
  out += program;
  out += input;
  return out;
}

std::optional<JqAsked> ReadJqQuestion(std::string_view rest) {
  constexpr std::size_t kHead = 1 + sizeof(std::uint32_t);
  if (rest.size() < kHead || static_cast<std::uint8_t>(rest[0]) > 2) return std::nullopt;
  const auto program_bytes = LoadLe<std::uint32_t>(rest.data() + 1);
  if (program_bytes > rest.size() - kHead) return std::nullopt;
  return JqAsked{.task = static_cast<JqTask>(rest[0]),
                 .program = rest.substr(kHead, program_bytes),
                 .input = rest.substr(kHead + program_bytes)};
}

std::string JqAnswerBytes(const JqAnswer& answer) {
  std::string out;
  AppendLe(out, static_cast<std::uint32_t>(kAnswerHead + answer.text.size()));
  out += static_cast<char>(answer.verdict);
  AppendLe(out, answer.used_us);
  out += answer.text;
  return out;
}

std::optional<JqAnswer> TakeJqAnswer(std::string& bytes) {
  constexpr std::size_t kLength = sizeof(std::uint32_t);
  if (bytes.size() < kLength) return std::nullopt;
  const std::size_t rest = LoadLe<std::uint32_t>(bytes.data());
  if (rest < kAnswerHead || bytes.size() < kLength + rest) return std::nullopt;
  JqAnswer answer{.verdict = static_cast<JqVerdict>(bytes[kLength]),
                  .text = bytes.substr(kLength + kAnswerHead, rest - kAnswerHead),
                  .used_us = LoadLe<std::uint32_t>(bytes.data() + kLength + 1)};
  bytes.erase(0, kLength + rest);
  return answer;
}

}  // namespace tributary::route
