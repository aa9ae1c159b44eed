#include "deliver/judge.h"

#include "base/check.h"

namespace tributary::deliver {

void JudgeRecord(const std::shared_ptr<const Matcher>& rule, const log::RecordView& record,
                 Programs* programs, os::Executor& loop,
                 std::move_only_function<void(Result<bool>)> done) {
  const bool natively = rule != nullptr && MatchesNatively(*rule, record);
  std::shared_ptr<const Program> program = natively ? rule->program() : nullptr;
  if (program == nullptr) {
    loop.Post([natively, done = std::move(done)]() mutable { done(natively); });
    return;
  }
  CHECK(programs != nullptr);
  programs->Run(std::move(program), std::string(record.payload), loop,
                [done = std::move(done)](Result<std::string> answer) mutable {
                  if (answer) {
                    done(*answer == "true");
                  } else {
                    done(std::unexpected(std::move(answer).error()));
                  }
                });
}

}  // namespace tributary::deliver
