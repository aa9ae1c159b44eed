#include "cli/table.h"

#include <algorithm>

#include "base/check.h"
#include "cli/escape.h"

namespace tributary::cli {

void Table::Add(std::vector<std::string> cells) {
  CHECK(rows_.empty() || cells.size() == rows_.front().size());
  for (std::string& cell : cells) cell = cell.empty() ? "-" : EscapeLine(cell);
  rows_.push_back(std::move(cells));
}

std::string Table::ToString() const {
  std::vector<std::size_t> widths(rows_.front().size(), 0);
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], Columns(row[i]));
  }
  std::string out;
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      out += row[i];
      if (i + 1 < row.size()) out.append(widths[i] - Columns(row[i]) + 2, ' ');
    }
    out += '\n';
  }
  return out;
}

}  // namespace tributary::cli
