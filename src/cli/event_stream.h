// Server-sent events, as GET /api/v1/events/tail sends them: lines of `id:`, `event:` and `data:`,
// an empty line behind each event, `:` for heartbeats. One thread.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace tributary::cli {

class EventStream {
 public:
  static constexpr std::size_t kEventBytesMax = 32 * 1024 * 1024;
  struct Event {
    std::string name;  // "message" when the server gave none
    std::string data;  // lines joined by newlines
  };
  using OnEvent = std::function<bool(const Event& event)>;  // false: enough
  explicit EventStream(OnEvent on_event) : on_event_(std::move(on_event)) { Cut(); }

  // False once the receiver had enough, or when an event is longer than kEventBytesMax.
  bool Take(std::string_view piece);
  // Where the stream may be taken up again; empty: the server gave no place yet.
  const std::string& last_id() const { return last_id_; }
  // What came of an event that was not whole is forgotten: its connection has ended.
  void Cut();

 private:
  bool TakeLine(std::string_view line);
  void Forget();

  OnEvent on_event_;
  std::string line_;  // not yet ended
  Event event_;
  bool has_data_ = false;
  std::string last_id_;
};

}  // namespace tributary::cli
