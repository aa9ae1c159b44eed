#include "cli/event_stream.h"

namespace tributary::cli {

bool EventStream::Take(std::string_view piece) {
  for (std::size_t end = piece.find('\n'); end != std::string_view::npos; end = piece.find('\n')) {
    line_ += piece.substr(0, end);
    piece.remove_prefix(end + 1);
    if (line_.ends_with('\r')) line_.pop_back();
    const bool more = TakeLine(line_);
    line_.clear();
    if (!more) return false;
  }
  line_ += piece;
  return line_.size() + event_.data.size() <= kEventBytesMax;
}

bool EventStream::TakeLine(std::string_view line) {
  if (line.empty()) {
    const bool more = !has_data_ || on_event_(event_);
    Forget();
    return more;
  }
  const std::size_t colon = line.find(':');
  const std::string_view field = line.substr(0, colon);
  std::string_view value = colon == std::string_view::npos ? "" : line.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (field == "id") last_id_ = value;
  if (field == "event") event_.name = value;
  if (field == "data") {
    if (has_data_) event_.data += '\n';
    event_.data += value;
    has_data_ = true;
  }
  return event_.data.size() <= kEventBytesMax;
}

void EventStream::Cut() {
  line_.clear();
  Forget();
}

void EventStream::Forget() {
  event_ = {.name = "message", .data = {}};
  has_data_ = false;
}

}  // namespace tributary::cli
