// One client connection: reads requests into a lent buffer, hands each to the handler when it is
// whole, writes the answers in order. Requests of one connection are handled one at a time; all
// socket calls are non-blocking, and only waiting goes through the loop.
//
// The order of life: idle → head → body → handling → (streaming) → idle … → lingering → closed.
// Owned by the server's list and by waits in progress. One thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <memory>
#include <string>

#include "http/buffer_pool.h"
#include "http/handler_memory.h"
#include "http/request_parser.h"
#include "http/response_writer.h"
#include "http/server.h"

namespace tributary::http {

class Connection;

// What connections need of their server. Outlives them, or says so with Connection::Close.
class ConnectionHost {
 public:
  explicit ConnectionHost(const ServerLimits& l, Handler& h)
      : limits(l), handler(h), buffers(l.buffered_bytes_max) {}
  virtual ~ConnectionHost() = default;
  virtual void Remove(Connection& connection) = 0;

  const ServerLimits limits;
  Handler& handler;
  BufferPool buffers;
  // The clock of all deadlines: read once per tick, not per request, and ahead by one tick so that
  // nobody is cut off early.
  MonoNanos now_ns = 0;
  bool draining = false;
};

class Connection final : public std::enable_shared_from_this<Connection> {
 public:
  // The executor by its own type: the type-erased default costs an indirection per operation.
  using Socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp,
                                                  boost::asio::io_context::executor_type>;
  Connection(ConnectionHost& host, Socket socket, const boost::asio::ip::tcp::endpoint& peer);
  ~Connection();

  void Start();
  // No further request is read; what is being answered gets its answer, streams are ended.
  void Drain();
  // Called once per tick of the server.
  void CheckDeadlines(MonoNanos now_ns);
  // At once. The handler's responder, if any, writes into the void from here on.
  void Close();

  std::size_t slot = 0;  // its place in the server's list

 private:
  class ResponseTarget;
  friend class ResponseTarget;
  enum class Phase : unsigned char {
    kIdle,
    kHead,
    kBody,
    kHandling,
    kStreaming,
    kEnding,
    kLingering,
    kClosed
  };

  // Reading.
  void WaitReadable();
  void OnReadable(const boost::system::error_code& error);
  bool MakeRoom();
  void OnEndOfInput();
  void Discard();
  // The requests in the buffer, as far as they are whole and answered.
  void Process();
  bool ProcessOne();
  void SetPhase(Phase phase);
  void Dispatch();
  void Reject(const Rejection& rejection);
  void SkipEmptyLine();
  void ReleaseBuffer();

  // Answering: called through the responder.
  void Answer(const Response& response);
  void AnswerCanned(std::string_view bytes);
  void AnswerDropped();
  void StartStream(const Response& head);
  bool WriteStream(std::string_view bytes);
  void EndStream();
  WriteMode Mode(bool close);
  void FinishExchange(bool close);
  void GoOn();

  // Writing.
  void Flush();
  void WaitWritable();
  void GoOnWriting();
  void Linger();
  std::size_t unsent_bytes() const { return out_.size() - out_sent_; }

  std::shared_ptr<ResponseTarget> TakeTarget();

  ConnectionHost* host_;
  Socket socket_;
  HandlerMemory read_memory_;
  HandlerMemory write_memory_;
  RequestParser parser_;
  std::shared_ptr<ResponseTarget> target_;

  Buffer buffer_;
  std::size_t begin_ = 0;  // of the request being read or handled
  std::size_t end_ = 0;    // of what has arrived
  std::string out_;
  std::size_t out_sent_ = 0;

  Phase phase_ = Phase::kIdle;
  bool reading_ = false;     // a wait for readability is in progress
  bool writing_ = false;     // the same for writability
  bool processing_ = false;  // inside Process: answers given now are flushed by it
  bool body_limited_ = false;
  bool end_after_ = false;  // the connection ends with the answer in progress
  bool input_ended_ = false;
  WriteMode stream_mode_;

  MonoNanos deadline_ns_ = 0;        // of the phase; 0: none
  MonoNanos write_deadline_ns_ = 0;  // of the blocked write; 0: none
  std::size_t window_bytes_ = 0;     // of a body, in this window
  std::size_t lingered_bytes_ = 0;
  std::string peer_;
  bool peer_is_loopback_ = false;
};

}  // namespace tributary::http
