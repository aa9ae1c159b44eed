#include "cli/pretty_json.h"

#include "event/json_document.h"

namespace tributary::cli {
namespace {

// One pass over text that is known to be well-formed.
class Indenter {
 public:
  Indenter(std::string_view text, std::size_t bytes_max) : text_(text), bytes_max_(bytes_max) {}

  std::string Run() {
    while (at_ < text_.size() && out_.size() < bytes_max_) Step();
    return std::move(out_);
  }

 private:
  void Step() {
    const char c = text_[at_];
    if (c == '"') return CopyString();
    ++at_;
    switch (c) {
      case ' ':
      case '\t':
      case '\n':
      case '\r':
        return;
      case '{':
      case '[':
        return Open(c);
      case '}':
      case ']':
        --depth_;
        BreakLine();
        break;
      case ':':
        out_ += ": ";
        return;
      default:
        break;
    }
    out_ += c;
    if (c == ',') BreakLine();
  }

  void CopyString() {
    const std::size_t begin = at_++;
    while (text_[at_] != '"') at_ += text_[at_] == '\\' ? 2 : 1;
    ++at_;
    out_ += text_.substr(begin, at_ - begin);
  }

  void Open(char c) {
    out_ += c;
    const std::size_t next = text_.find_first_not_of(" \t\n\r", at_);
    if (text_[next] == '}' || text_[next] == ']') {  // an empty one stays on its line
      out_ += text_[next];
      at_ = next + 1;
      return;
    }
    ++depth_;
    BreakLine();
  }

  void BreakLine() { out_.append("\n").append(2 * depth_, ' '); }

  std::string_view text_;
  std::size_t bytes_max_;
  std::size_t at_ = 0;
  std::size_t depth_ = 0;
  std::string out_;
};

}  // namespace

std::optional<std::string> PrettyJson(std::string_view text, std::size_t bytes_max) {
  event::JsonDocument document;
  if (!document.Parse(text)) return std::nullopt;
  return Indenter(text, bytes_max).Run();
}

}  // namespace tributary::cli
