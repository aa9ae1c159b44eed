#include "deliver/matcher.h"

namespace tributary::deliver {
namespace {

class Nothing final : public Matcher {
 public:
  explicit Nothing(log::Kind kind) : kind_(kind) {}
  log::Kind kind() const override { return kind_; }
  bool Matches(const log::RecordFields&) const override { return false; }

 private:
  log::Kind kind_;
};

}  // namespace

std::shared_ptr<const Matcher> MatchNothing(log::Kind kind) {
  return std::make_shared<const Nothing>(kind);
}

}  // namespace tributary::deliver
