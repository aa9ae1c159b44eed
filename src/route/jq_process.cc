#include "route/jq_process.h"

#include "base/check.h"

namespace tributary::route {
namespace {

// Of the wall clock, for one answer: the processor-time limits inside the process are what ends a
// program. This is for a process that does not run at all.
constexpr MonoNanos kAnswerTimeMax = 20 * kNanosPerSecond;
constexpr MonoNanos kEndTimeMax = kNanosPerSecond;

}  // namespace

JqProcess::JqProcess(JqProcessOptions options) : options_(std::move(options)) {
  CHECK(options_.clock != nullptr);
}

Result<std::string> JqProcess::Ask(const Question& question) {
  Result<std::string> result;
  AskAll({question}, [&](std::size_t, Answer answer) {
    result = std::move(answer.result);
    return true;
  });
  return result;
}

void JqProcess::AskAll(const std::vector<Question>& questions, const Answered& answered) {
  std::size_t done = 0;
  while (done < questions.size()) done += AskSome(questions, done, answered);
}

// Asks all from `first`; returns how many are over with: at least one, because what ends the
// process is the answer to the question it was at.
std::size_t JqProcess::AskSome(const std::vector<Question>& questions, std::size_t first,
                               const Answered& answered) {
  if (!child_) {
    auto started = os::ChildProcess::Start(options_.command);
    if (!started) {
      const Error why(ErrorCode::kUnavailable, started.error().message());
      return answered(first, {.result = std::unexpected(why)}) ? 1 : questions.size();
    }
    child_ = std::move(*started);
  }
  return Converse(questions, first, answered);
}

std::size_t JqProcess::Converse(const std::vector<Question>& questions, std::size_t first,
                                const Answered& answered) {
  std::string out;
  for (std::size_t i = first; i < questions.size(); ++i) {
    out += JqQuestion(questions[i].task, questions[i].program, questions[i].input);
  }
  std::string in;
  std::size_t next = first;
  MonoNanos deadline = options_.clock->Monotonic() + kAnswerTimeMax;
  while (next < questions.size()) {
    const Status exchanged = child_->Exchange(out, in, deadline);
    while (auto said = TakeJqAnswer(in)) {
      const bool last_word = said->verdict == JqVerdict::kNoMemory;
      const bool wanted = answered(next++, AnswerOf(std::move(*said)));
      if (last_word || (!wanted && next < questions.size())) Stop();
      if (!wanted) return questions.size() - first;
      if (last_word) return next - first;
      deadline = options_.clock->Monotonic() + kAnswerTimeMax;
    }
    if (exchanged || next == questions.size()) continue;
    const Error why = WhyEnded(exchanged.error());
    // The answer that it died of may have been its last word.
    if (next > first && why.code() == ErrorCode::kUnavailable) break;
    if (!answered(next++, {.result = std::unexpected(why), .used_ns = options_.limits.time_ns})) {
      return questions.size() - first;
    }
    break;
  }
  return next - first;
}

Error JqProcess::WhyEnded(const Error& seen) {
  if (seen.code() == ErrorCode::kDeadline) {
    child_.reset();
    return {ErrorCode::kUnavailable, "the process that runs programs does not answer"};
  }
  const std::optional<int> signal =
      child_->EndedBySignal(options_.clock->Monotonic() + kEndTimeMax);
  child_.reset();
  if (!signal || *signal == os::kSignalKilled) {
    return {ErrorCode::kUnavailable, "the process that runs programs has ended"};
  }
  if (*signal == os::kSignalCpuTime) return {ErrorCode::kDeadline, TooSlow()};
  return {ErrorCode::kInvalid,
          "the program made jq crash (too deep a recursion, or more memory than it may have)"};
}

JqProcess::Answer JqProcess::AnswerOf(JqAnswer said) const {
  Answer answer{.result = {}, .used_ns = MonoNanos{said.used_us} * 1000};
  switch (said.verdict) {
    case JqVerdict::kFine:
      answer.result = std::move(said.text);
      break;
    case JqVerdict::kInvalid:
      answer.result = Fail(ErrorCode::kInvalid, std::move(said.text));
      break;
    case JqVerdict::kTooSlow:
      answer.result = Fail(ErrorCode::kDeadline, TooSlow());
      break;
    case JqVerdict::kNoMemory:
      answer.result = Fail(ErrorCode::kInvalid,
                           "the program needs more memory than it may have (" +
                               std::to_string(options_.limits.memory_bytes >> 20) + " MiB)");
      answer.used_ns = options_.limits.time_ns;
      break;
  }
  return answer;
}

std::string JqProcess::TooSlow() const {
  return "the program took longer than it may (" + FormatDuration(options_.limits.time_ns) + ")";
}

}  // namespace tributary::route
