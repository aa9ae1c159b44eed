// Which HTTP statuses an attempt is repeated for: those of downstream-dispatch.md, section 5, or
// those that a destination names instead (`retry.statuses`). A value; any thread.
#pragma once

#include <bitset>
#include <string>
#include <vector>

#include "base/result.h"

namespace tributary::deliver {

class RetriedStatuses {
 public:
  // As the option is written: one status ("429") or a hundred of them ("5xx").
  static std::vector<std::string> Standard();

  RetriedStatuses() : RetriedStatuses(Of(Standard()).value()) {}
  // Each of 300 to 599. kInvalid with the field "retry.statuses[N]".
  static Result<RetriedStatuses> Of(const std::vector<std::string>& words);

  bool contains(int status) const;

 private:
  static constexpr int kFirst = 300;
  static constexpr int kEnd = 600;
  using Set = std::bitset<kEnd - kFirst>;
  explicit RetriedStatuses(const Set& set) : set_(set) {}

  Set set_;
};

}  // namespace tributary::deliver
