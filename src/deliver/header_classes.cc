#include "deliver/header_classes.h"

#include <algorithm>

#include "base/bytes.h"

namespace tributary::deliver {

std::uint32_t HeaderClasses::NumberOf(const log::RecordFields& fields) {
  scratch_.clear();
  scratch_ += static_cast<char>(fields.kind);
  scratch_ += static_cast<char>(fields.type);
  scratch_ += static_cast<char>(fields.flags);
  AppendLe(scratch_, fields.source);
  const std::size_t name_at = scratch_.size();
  scratch_ += fields.name;
  if (const auto known = numbers_.find(std::string_view(scratch_)); known != numbers_.end()) {
    return known->second;
  }
  const auto number = static_cast<std::uint32_t>(examples_.size());
  const auto made = numbers_.emplace(scratch_, number).first;  // keys of a map do not move
  examples_.push_back({.source = fields.source,
                       .kind = fields.kind,
                       .type = fields.type,
                       .flags = fields.flags,
                       .key = {},
                       .name = std::string_view(made->first).substr(name_at),
                       .message_id = {},
                       .correlation_id = {}});
  return number;
}

void HeaderClasses::Clear() {
  examples_.clear();
  numbers_.clear();
  ++generation_;
}

bool ClassMemo::WantsAny(const std::vector<std::uint32_t>& classes, const HeaderClasses& all,
                         const Matcher* matcher, std::uint32_t revision) {
  if (matcher == nullptr) return false;
  if (generation_ != all.generation() || revision_ != revision || matcher_ != matcher) {
    answers_.clear();
    generation_ = all.generation();
    revision_ = revision;
    matcher_ = matcher;
  }
  for (const std::uint32_t number : classes) {
    if (number >= answers_.size()) answers_.resize(number + 1, kNotAsked);
    std::uint8_t& answer = answers_[number];
    if (answer == kNotAsked) answer = matcher->Matches(all.At(number)) ? kYes : kNo;
    if (answer == kYes) return true;
  }
  return false;
}

}  // namespace tributary::deliver
