// The door of the HTTP server: HTTP/1.1 with keep-alive, pipelining, chunked bodies,
// `Expect: 100-continue`, HEAD; limits and deadlines on everything; ambiguous framing (RFC 9112
// section 6 and 11.2) is answered 400 and the connection closed.
//
// Threads: a server belongs to one loop. Handlers run on that loop's thread and must not block.
// A Responder may be kept and used later, but only on the loop's thread; one that is dropped
// unused answers 500. While a request of a connection waits for its answer, at most
// `pipeline_bytes_max` more bytes of that connection are read. A server is made and destroyed on
// its loop's thread, or while the loop does not run.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "base/result.h"
#include "http/message.h"
#include "os/asio_loop.h"

namespace tributary::http {

class Responder {
 public:
  class Target {
   public:
    virtual ~Target() = default;
    virtual void Send(Response response) = 0;
    // A canned answer, serialised once (status line to body): the hot path. `bytes` must outlive
    // the process's use of it (static or owned by the source).
    virtual void SendRaw(std::string_view bytes) = 0;
    virtual void Dropped() = 0;
    // Server-sent events and other endless bodies: headers now, pieces later (chunked; HTTP/1.0
    // clients get them bare, ended by the close; HEAD gets none). A piece is taken whole or not at
    // all: false from Write means that the reader is too slow (what waits and the piece together
    // would pass stream_buffer_bytes_max; a piece alone always fits) or gone. A reader that takes
    // nothing for write_deadline_ns is cut off. Drain ends every stream at once.
    virtual void StartStream(Response head) = 0;
    virtual bool WriteStream(std::string_view bytes) = 0;
    virtual void EndStream() = 0;
    // Answered, ended, or the client has left.
    virtual bool gone() const = 0;
    // `changed` is called on the loop, never from inside a call of this object: when a stream that
    // refused a piece has sent all that it held, and once when it is gone. One watcher; a later
    // one takes its place.
    // NOLINTNEXTLINE(performance-unnecessary-value-param): those that watch keep it
    virtual void Watch(std::function<void()> /*changed*/) {}
  };
  Responder() = default;
  explicit Responder(std::shared_ptr<Target> target) : target_(std::move(target)) {}
  Responder(Responder&&) = default;
  Responder& operator=(Responder&& other) noexcept {
    std::swap(target_, other.target_);
    return *this;
  }
  ~Responder() {
    if (target_) target_->Dropped();
  }
  void Send(Response response) { Take()->Send(std::move(response)); }
  void SendRaw(std::string_view bytes) { Take()->SendRaw(bytes); }
  // The caller keeps the stream as a Target; the responder is then used up.
  std::shared_ptr<Target> StartStream(Response head) {
    auto target = Take();
    target->StartStream(std::move(head));
    return target;
  }

 private:
  std::shared_ptr<Target> Take() { return std::exchange(target_, nullptr); }
  std::shared_ptr<Target> target_;
};

// Answers every request of a server (http/router.h is the usual one).
class Handler {
 public:
  virtual ~Handler() = default;
  // How many body bytes this request may have (after its headers are known); 413 past it.
  virtual std::size_t BodyBytesMax(const Request& head) = 0;
  // What the server answers itself, after the headers and before Handle: a body too large or too
  // slow, chunks that are none, no memory. For doors whose clients expect another status or shape.
  virtual Response Refusal(const Request& head, int status, std::string_view code,
                           std::string_view message);
  virtual void Handle(const Request& request, Responder responder) = 0;
};

struct ServerLimits {
  std::size_t header_bytes_max = 16 * 1024;  // 431 past it
  std::size_t headers_max = 100;             // 431
  std::size_t target_bytes_max = 8 * 1024;   // 414
  std::size_t connections_max = 8192;        // past it accept waits
  std::size_t pipeline_bytes_max = 64 * 1024;
  MonoNanos header_deadline_ns = 10 * kNanosPerSecond;  // 408 and close
  MonoNanos idle_deadline_ns = 75 * kNanosPerSecond;
  MonoNanos body_window_ns = 10 * kNanosPerSecond;
  std::size_t body_bytes_per_second_min = 512;         // in each window of a body; 408 and close
  MonoNanos write_deadline_ns = 30 * kNanosPerSecond;  // without progress; the connection is cut
  // Requests being read or handled hold buffers; past this, together, 503 and close.
  std::size_t buffered_bytes_max = 64 * 1024 * 1024;
  // Unsent bytes of one stream; past it WriteStream answers false, unless nothing waits.
  std::size_t stream_buffer_bytes_max = 256 * 1024;
};

class Server {
 public:
  virtual ~Server() = default;
  // Address really bound ("127.0.0.1", port as chosen by the system when 0 was asked for).
  virtual std::string host() const = 0;
  virtual std::uint16_t port() const = 0;
  // No new connections; idle ones are closed, those with a request in progress get their answer
  // and `Connection: close`. `done` on the loop's thread when none is left.
  virtual void Drain(std::function<void()> done) = 0;
  virtual std::size_t connections() const = 0;
};

// How an address is bound. Several loops of one process share theirs (SO_REUSEPORT): the first
// takes it, the others join. Joining alone would also let a second process in, unnoticed, on an
// address that is in use, and the system would deal the clients out between the two.
enum class PortUse : std::uint8_t { kAlone, kFirst, kJoin };

// Binds and listens.
// Accepting starts when the loop runs. When descriptors run out accept backs off, with a reserve
// descriptor so that waiting clients are told 503 rather than left hanging.
Result<std::unique_ptr<Server>> Listen(os::AsioLoop& loop, const std::string& host,
                                       std::uint16_t port, PortUse use, const ServerLimits& limits,
                                       Handler& handler);

}  // namespace tributary::http
