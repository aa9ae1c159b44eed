// Columns for people, aligned by spaces. Cells are escaped: names and URLs are other people's text.
#pragma once

#include <string>
#include <vector>

namespace tributary::cli {

class Table {
 public:
  explicit Table(std::vector<std::string> headings) { Add(std::move(headings)); }
  // As many cells as there are headings; an empty one is shown as "-".
  void Add(std::vector<std::string> cells);
  // Headings first; every line ends in a newline, none in spaces.
  std::string ToString() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace tributary::cli
