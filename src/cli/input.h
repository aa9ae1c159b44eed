// What a command is given to read: a file, or standard input for "-".
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "cli/registry.h"

namespace tributary::cli {

inline constexpr std::string_view kStandardInput = "-";

// kTooLarge past `bytes_max`.
Result<std::string> ReadWhole(Context& context, const std::string& file, std::size_t bytes_max);

// The lines of a file of any size, one after another; at most one line is in memory.
class LineReader {
 public:
  static constexpr std::size_t kLineBytesMax = 4 * 1024 * 1024;

  static Result<LineReader> Open(Context& context, const std::string& file);

  // Of the file; 0 when that is not known, as of standard input.
  std::uint64_t bytes_total() const { return bytes_total_; }
  // Of the lines handed out so far.
  std::uint64_t bytes_taken() const { return forgotten_ + at_; }

  struct Line {
    std::uint64_t number = 0;  // from 1
    std::string_view text;     // without the line's end; until the next call
    bool too_long = false;     // then `text` is empty: the line was passed over
  };
  // nullopt at the end.
  Result<std::optional<Line>> Next();

 private:
  using Read = std::function<Result<std::size_t>(std::span<char>)>;
  explicit LineReader(Read read) : read_(std::move(read)) {}
  Status Fill();

  Read read_;
  std::string buffer_;
  std::size_t at_ = 0;  // what is before was handed out
  bool ended_ = false;
  std::uint64_t number_ = 0;
  std::uint64_t bytes_total_ = 0;
  std::uint64_t forgotten_ = 0;  // bytes that stood before buffer_
};

}  // namespace tributary::cli
