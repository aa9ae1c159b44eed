// What a rule can tell records apart by (matcher.h: kind, type, name, source), as small numbers, so
// that a lane that wants nothing of a window finds out by its few distinct headers instead of its
// many records. A thousand lanes that match nothing then cost a fraction of ten that match.
//
// Belongs to one loop; its thread only.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "deliver/matcher.h"

namespace tributary::deliver {

class HeaderClasses {
 public:
  // Past it numbering begins anew, with a new generation.
  static constexpr std::size_t kClassesMax = 4'096;

  std::uint32_t NumberOf(const log::RecordFields& fields);
  // What is common to all headers of a class; views live as long as the generation.
  const log::RecordFields& At(std::uint32_t number) const { return examples_[number]; }
  bool full() const { return examples_.size() >= kClassesMax; }
  void Clear();
  std::uint64_t generation() const { return generation_; }

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>()(text);
    }
  };
  std::unordered_map<std::string, std::uint32_t, Hash, std::equal_to<>> numbers_;
  std::vector<log::RecordFields> examples_;
  std::string scratch_;
  std::uint64_t generation_ = 1;
};

// A lane's answers for the classes it was asked about, under one rule.
class ClassMemo {
 public:
  // Whether the rule wants any of `classes`. nullptr wants nothing.
  bool WantsAny(const std::vector<std::uint32_t>& classes, const HeaderClasses& all,
                const Matcher* matcher, std::uint32_t revision);

 private:
  enum Answer : std::uint8_t { kNotAsked, kNo, kYes };
  std::vector<std::uint8_t> answers_;
  std::uint64_t generation_ = 0;
  std::uint32_t revision_ = 0;
  const Matcher* matcher_ = nullptr;
};

}  // namespace tributary::deliver
