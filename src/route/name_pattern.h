// A name with wildcards: '*' stands for any run of bytes, also none; every other byte for itself,
// letter case included. Immutable, thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tributary::route {

class NamePattern {
 public:
  explicit NamePattern(std::string_view text);
  // What stands between the stars; at least one part.
  explicit NamePattern(std::vector<std::string> parts) : parts_(std::move(parts)) {}
  bool Matches(std::string_view name) const;
  // No '*' in it: the caller may look it up instead.
  bool exact() const { return parts_.size() == 1; }
  const std::string& text() const { return parts_.front(); }  // of an exact one

 private:
  std::vector<std::string> parts_;  // what stands between the stars; at least one, may be empty
};

}  // namespace tributary::route
