#pragma once

// A webhook receiver that answers everything with one canned status and hands each body on with its
// time of arrival. Lives on somebody's Loop; keep-alive and pipelining. Thread: the loop's.

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bench/support/loop.h"
#include "bench/support/socket.h"

namespace tributary::bench {

class WebhookSink final : public Handler {
 public:
  // The body view is valid during the call; `arrived_ns` is the monotonic clock.
  using OnBody = std::function<void(std::string_view body, int64_t arrived_ns)>;

  // Listens at `address`; `loop` must outlive the sink.
  WebhookSink(Loop* loop, Address address, int status, OnBody on_body);
  ~WebhookSink() override;

  void OnEvents(uint32_t events) override;
  // Call between turns: frees connections that have ended.
  void Sweep();

  const Address& address() const { return address_; }
  uint64_t requests() const { return requests_; }

 private:
  class Connection;

  Loop* loop_;
  Address address_;
  std::string answer_;
  OnBody on_body_;
  int listener_;
  uint64_t requests_ = 0;
  bool some_ended_ = false;
  std::vector<std::unique_ptr<Connection>> connections_;
};

}  // namespace tributary::bench
