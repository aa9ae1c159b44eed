#include "deliver/replay_matcher.h"

namespace tributary::deliver {
namespace {

class Both final : public Matcher {
 public:
  Both(std::shared_ptr<const Matcher> rule, std::shared_ptr<const Matcher> own,
       std::shared_ptr<const Program> program)
      : rule_(std::move(rule)), own_(std::move(own)), program_(std::move(program)) {}

  log::Kind kind() const override { return rule_->kind(); }
  bool Matches(const log::RecordFields& fields) const override { return rule_->Matches(fields); }
  bool looks_inside() const override { return rule_->looks_inside() || own_->looks_inside(); }
  bool MatchesInside(const log::RecordView& record) const override {
    return rule_->MatchesInside(record) && own_->MatchesInside(record);
  }
  std::shared_ptr<const Program> program() const override { return program_; }

 private:
  std::shared_ptr<const Matcher> rule_;
  std::shared_ptr<const Matcher> own_;
  std::shared_ptr<const Program> program_;
};

// The first output of each decides. The line ends are for programs that end in a comment.
std::string BothTexts(const Program& first, const Program& second) {
  return "if first((" + first.text() + "\n)) then first((" + second.text() + "\n)) else false end";
}

Result<std::shared_ptr<const Program>> BothPrograms(std::shared_ptr<const Program> first,
                                                    std::shared_ptr<const Program> second,
                                                    Programs* programs) {
  if (first == nullptr) return second;
  if (second == nullptr) return first;
  if (programs == nullptr) return Fail(ErrorCode::kUnsupported, "filter", "filter: no programs");
  auto both = programs->Compile(ProgramUse::kFilter, BothTexts(*first, *second));
  if (!both) {
    return Fail(ErrorCode::kInvalid, "filter",
                "filter, together with the destination's: " + both.error().message());
  }
  return both;
}

}  // namespace

Result<std::shared_ptr<const Matcher>> MatchBoth(std::shared_ptr<const Matcher> rule,
                                                 std::shared_ptr<const Matcher> own,
                                                 Programs* programs) {
  if (own == nullptr) return rule;
  TRY_ASSIGN(auto program, BothPrograms(rule->program(), own->program(), programs));
  return std::make_shared<const Both>(std::move(rule), std::move(own), std::move(program));
}

}  // namespace tributary::deliver
