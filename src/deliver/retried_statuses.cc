#include "deliver/retried_statuses.h"

#include <algorithm>
#include <string_view>

namespace tributary::deliver {
namespace {

constexpr std::string_view kForm = "must be a status such as \"429\" or \"5xx\", from 300 to 599";

int Digit(char c) {
  return c >= '0' && c <= '9' ? c - '0' : -1;
}

}  // namespace

std::vector<std::string> RetriedStatuses::Standard() {
  return {"408", "409", "425", "429", "5xx"};
}

Result<RetriedStatuses> RetriedStatuses::Of(const std::vector<std::string>& words) {
  Set set;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    const bool hundred = word.size() == 3 && word.ends_with("xx");
    const bool one = word.size() == 3 && Digit(word[1]) >= 0 && Digit(word[2]) >= 0;
    const int first = hundred ? Digit(word[0]) * 100
                      : one   ? Digit(word[0]) * 100 + Digit(word[1]) * 10 + Digit(word[2])
                              : 0;
    if (first < kFirst || first >= kEnd) {
      return WrongField("retry.statuses[" + std::to_string(i) + "]", kForm);
    }
    for (int status = first; status < first + (hundred ? 100 : 1); ++status) {
      set.set(static_cast<std::size_t>(status - kFirst));
    }
  }
  return RetriedStatuses(set);
}

bool RetriedStatuses::contains(int status) const {
  if (status < kFirst) return false;
  // Above 599 there is no standard one: what sends it is as broken as what sends a 599.
  return set_[static_cast<std::size_t>(std::min(status, kEnd - 1) - kFirst)];
}

}  // namespace tributary::deliver
