#include "bench/support/webhook_sink.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/support/clock.h"
#include "bench/support/http_text.h"

namespace tributary::bench {

class WebhookSink::Connection final : public Handler {
 public:
  Connection(int fd, WebhookSink* sink) : fd_(fd), sink_(sink) {
    sink_->loop_->Add(fd_, EPOLLIN, this);
  }
  ~Connection() override { Close(); }

  bool ended() const { return fd_ < 0; }

  void OnEvents(uint32_t) override {
    if (ended()) return;
    if (!unsent_.empty()) return Send();
    const bool open = reader_.Fill(fd_);
    const int64_t arrived_ns = NowNs();
    Request request;
    Parsed parsed = Parsed::kWhole;
    while ((parsed = reader_.Next(&request)) == Parsed::kWhole) {
      ++sink_->requests_;
      sink_->on_body_(request.body, arrived_ns);
      unsent_ += sink_->answer_;
    }
    reader_.Compact();
    if (!open || parsed == Parsed::kBroken) return Close();
    if (!unsent_.empty()) Send();
  }

 private:
  void Send() {
    const ssize_t sent = send(fd_, unsent_.data(), unsent_.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) return Close();
    unsent_.erase(0, sent > 0 ? static_cast<size_t>(sent) : 0);
    if (waits_to_send_ == !unsent_.empty()) return;
    waits_to_send_ = !unsent_.empty();
    sink_->loop_->Change(fd_, waits_to_send_ ? EPOLLOUT : EPOLLIN, this);
  }

  void Close() {
    if (ended()) return;
    close(fd_);
    fd_ = -1;
    sink_->some_ended_ = true;
  }

  int fd_;
  WebhookSink* sink_;
  RequestReader reader_;
  std::string unsent_;
  bool waits_to_send_ = false;
};

WebhookSink::WebhookSink(Loop* loop, Address address, int status, OnBody on_body)
    : loop_(loop), address_(std::move(address)), on_body_(std::move(on_body)) {
  if (status != 0) {
    answer_ = "HTTP/1.1 " + std::to_string(status) + " Canned\r\n";
    if (status != 204) answer_ += "Content-Length: 0\r\n";  // a 204 has none (RFC 9110 8.6)
    answer_ += "\r\n";
  }
  listener_ = Listen(&address_);
  loop_->Add(listener_, EPOLLIN, this);
}

WebhookSink::~WebhookSink() {
  close(listener_);
}

void WebhookSink::OnEvents(uint32_t) {
  for (int fd = Accept(listener_); fd >= 0; fd = Accept(listener_)) {
    connections_.push_back(std::make_unique<Connection>(fd, this));
  }
}

void WebhookSink::Sweep() {
  if (!some_ended_) return;
  some_ended_ = false;
  std::erase_if(connections_, [](const auto& connection) { return connection->ended(); });
}

}  // namespace tributary::bench
