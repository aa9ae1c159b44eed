#include "cli/input.h"

#include <istream>

namespace tributary::cli {
namespace {

constexpr std::size_t kBlockBytes = 64 * 1024;

Result<std::size_t> ReadStream(std::istream& in, std::span<char> out) {
  in.read(out.data(), static_cast<std::streamsize>(out.size()));
  if (in.bad()) return Fail(ErrorCode::kIo, "standard input cannot be read");
  return static_cast<std::size_t>(in.gcount());
}

}  // namespace

Result<std::string> ReadWhole(Context& context, const std::string& file, std::size_t bytes_max) {
  if (file != kStandardInput) return os::ReadFile(context.fs, file, bytes_max);
  std::string text(bytes_max + 1, '\0');
  TRY_ASSIGN(const std::size_t bytes, ReadStream(context.in, text));
  if (bytes > bytes_max) {
    return Fail(ErrorCode::kTooLarge,
                "standard input is longer than " + std::to_string(bytes_max) + " bytes");
  }
  text.resize(bytes);
  return text;
}

Result<LineReader> LineReader::Open(Context& context, const std::string& file) {
  if (file == kStandardInput) {
    return LineReader([&in = context.in](std::span<char> out) { return ReadStream(in, out); });
  }
  TRY_ASSIGN(std::shared_ptr<os::File> opened, context.fs.Open(file, os::OpenMode::kRead));
  LineReader reader([opened, position = std::uint64_t{0}](std::span<char> out) mutable {
    auto bytes = opened->ReadAt(position, out);
    if (bytes) position += *bytes;
    return bytes;
  });
  reader.bytes_total_ = opened->Size().value_or(0);
  return reader;
}

Status LineReader::Fill() {
  buffer_.erase(0, at_);
  forgotten_ += at_;
  at_ = 0;
  const std::size_t kept = buffer_.size();
  buffer_.resize(kept + kBlockBytes);
  const auto bytes = read_(std::span(buffer_).subspan(kept));
  buffer_.resize(kept + bytes.value_or(0));
  if (!bytes) return Fail(bytes.error());
  ended_ = *bytes == 0;
  return {};
}

Result<std::optional<LineReader::Line>> LineReader::Next() {
  bool too_long = false;
  std::size_t searched = 0;  // bytes from at_ on that hold no newline
  for (;;) {
    const std::size_t end = buffer_.find('\n', at_ + searched);
    const bool found = end != std::string::npos;
    if (!found && !ended_) {
      searched = buffer_.size() - at_;
      if (searched > kLineBytesMax + 1) {  // one more for a carriage return
        too_long = true;
        at_ += searched;
        searched = 0;
      }
      TRY(Fill());
      continue;
    }
    if (!found && at_ == buffer_.size() && !too_long) return std::nullopt;
    const std::size_t begin = at_;
    const std::size_t stop = found ? end : buffer_.size();
    at_ = found ? end + 1 : stop;
    std::string_view text = std::string_view(buffer_).substr(begin, stop - begin);
    if (text.ends_with('\r')) text.remove_suffix(1);
    if (text.size() > kLineBytesMax) too_long = true;
    return Line{++number_, too_long ? std::string_view() : text, too_long};
  }
}

}  // namespace tributary::cli
