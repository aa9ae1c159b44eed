#include "http/connection.h"

#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/post.hpp>
#include <cstring>
#include <utility>

#include "http/error_response.h"

namespace tributary::http {
namespace asio = boost::asio;
using boost::system::error_code;

namespace {

// Answers that nobody reads stop the reading of further requests here.
constexpr std::size_t kUnsentBytesMax = 256 * 1024;
// An output string that grew past this is given back when it has been sent.
constexpr std::size_t kKeptOutputBytes = 16 * 1024;
// After the last answer: how long, and how much, is read and thrown away so that the answer is not
// lost to a reset (RFC 9112 section 9.6).
constexpr MonoNanos kLingerNanos = 2 * kNanosPerSecond;
constexpr std::size_t kLingerBytesMax = 64 * 1024 * 1024;
// Of these, at once: others of the loop wait.
constexpr std::size_t kLingerBytesAtOnce = 256 * 1024;
// A body's buffer grows to this at once, then by what has really arrived: an announced length
// alone costs nothing.
constexpr std::size_t kFirstGrowthBytes = 128 * 1024;

}  // namespace

// What a Responder holds. Made once per connection and used again for each request, unless somebody
// still holds it: an old stream must not be able to write into a later answer.
class Connection::ResponseTarget final : public Responder::Target {
 public:
  void Attach(Connection* connection) {
    connection_ = connection;
    watcher_ = nullptr;
    refused_ = false;
  }
  void Detach() {
    if (connection_ == nullptr) return;
    if (watcher_) asio::post(connection_->socket_.get_executor(), std::move(watcher_));
    Attach(nullptr);
  }
  // All that the stream held has left.
  void Sent() {
    if (!std::exchange(refused_, false) || !watcher_) return;
    asio::post(connection_->socket_.get_executor(), watcher_);
  }

  void Send(Response response) override {
    if (const auto c = Take()) c->Answer(response);
  }
  void SendRaw(std::string_view bytes) override {
    if (const auto c = Take()) c->AnswerCanned(bytes);
  }
  void Dropped() override {
    if (const auto c = Take()) c->AnswerDropped();
  }
  void StartStream(Response head) override {
    if (const auto c = Keep()) c->StartStream(head);
  }
  bool WriteStream(std::string_view bytes) override {
    const auto c = Keep();
    if (!c) return false;
    refused_ = !c->WriteStream(bytes);
    return !refused_;
  }
  void EndStream() override {
    if (const auto c = Take()) c->EndStream();
  }
  bool gone() const override { return connection_ == nullptr; }
  void Watch(std::function<void()> changed) override {
    if (connection_ != nullptr) watcher_ = std::move(changed);
  }

 private:
  // Shared, because what is called may close the connection.
  std::shared_ptr<Connection> Keep() {
    return connection_ == nullptr ? nullptr : connection_->shared_from_this();
  }
  std::shared_ptr<Connection> Take() {
    auto connection = Keep();
    Detach();
    return connection;
  }
  Connection* connection_ = nullptr;  // null: answered, or the connection is gone
  std::function<void()> watcher_;
  bool refused_ = false;  // a piece was, and the watcher has not been told since
};

Connection::Connection(ConnectionHost& host, Socket socket, const asio::ip::tcp::endpoint& peer)
    : host_(&host), socket_(std::move(socket)), parser_(host.limits) {
  auto address = peer.address();
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    address = asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6());
  }
  peer_ = address.to_string();
  peer_is_loopback_ = address.is_loopback();
  parser_.request().peer = peer_;
  parser_.request().peer_is_loopback = peer_is_loopback_;
}

Connection::~Connection() = default;

void Connection::Start() {
  error_code ignored;
  socket_.non_blocking(true, ignored);
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  deadline_ns_ = host_->now_ns + host_->limits.header_deadline_ns;
  WaitReadable();
}

void Connection::Close() {
  if (phase_ == Phase::kClosed) return;
  phase_ = Phase::kClosed;
  if (target_) target_->Detach();
  host_->buffers.Give(std::move(buffer_));
  error_code ignored;
  socket_.close(ignored);
  std::exchange(host_, nullptr)->Remove(*this);
}

void Connection::Drain() {
  if (phase_ == Phase::kStreaming) {
    target_->EndStream();
  } else if (phase_ == Phase::kIdle && begin_ == end_) {
    phase_ = Phase::kEnding;
    Flush();
  }
}

void Connection::CheckDeadlines(MonoNanos now_ns) {
  if (write_deadline_ns_ != 0 && now_ns >= write_deadline_ns_) return Close();
  // A handler that takes long: look whether its client is still there.
  if (phase_ == Phase::kHandling && !reading_ && !input_ended_) WaitReadable();
  if (deadline_ns_ == 0 || now_ns < deadline_ns_) return;
  const ServerLimits& limits = host_->limits;
  if (phase_ == Phase::kHead) {
    return Reject({408, "deadline", "the request head took too long"});
  }
  if (phase_ != Phase::kBody) return Close();
  const auto window_bytes_min = static_cast<std::size_t>(
      static_cast<double>(limits.body_bytes_per_second_min) *
      static_cast<double>(limits.body_window_ns) / static_cast<double>(kNanosPerSecond));
  if (window_bytes_ < window_bytes_min) {
    return Reject({408, "deadline",
                   "the request body came at less than " +
                       std::to_string(limits.body_bytes_per_second_min) + " bytes per second"});
  }
  window_bytes_ = 0;
  deadline_ns_ = host_->now_ns + limits.body_window_ns;
}

// ---- Reading ------------------------------------------------------------------------------------

void Connection::WaitReadable() {
  if (reading_ || input_ended_ || phase_ == Phase::kClosed) return;
  reading_ = true;
  socket_.async_wait(Socket::wait_read,
                     asio::bind_allocator(HandlerAllocator<char>(read_memory_),
                                          [self = shared_from_this()](const error_code& error) {
                                            self->OnReadable(error);
                                          }));
}

void Connection::OnReadable(const error_code& error) {
  reading_ = false;
  if (phase_ == Phase::kClosed) return;
  if (error) return Close();
  if (phase_ == Phase::kEnding || phase_ == Phase::kLingering) return Discard();
  const bool handling = phase_ == Phase::kHandling || phase_ == Phase::kStreaming;
  if (!MakeRoom()) {
    if (handling) return;  // read on when the answer has been given
    return Reject({503, "unavailable", "too many requests are being received"});
  }
  error_code ec;
  const std::size_t room = buffer_.capacity - end_;
  const std::size_t n = socket_.read_some(asio::buffer(buffer_.data.get() + end_, room), ec);
  if (ec == asio::error::would_block) return WaitReadable();
  if (ec == asio::error::eof) return OnEndOfInput();
  if (ec) return Close();
  end_ += n;
  window_bytes_ += n;
  if (!handling) return Process();
  if (end_ - begin_ - parser_.wire_bytes() < host_->limits.pipeline_bytes_max) WaitReadable();
}

// Room for at least one more byte, after the bytes that are there. While a handler has a request,
// nothing moves: its views point into the buffer.
bool Connection::MakeRoom() {
  const bool pinned = phase_ == Phase::kHandling || phase_ == Phase::kStreaming;
  if (!buffer_.data) {
    buffer_ = host_->buffers.Take(1);
    return buffer_.data != nullptr;
  }
  if (pinned) return end_ < buffer_.capacity;
  const std::size_t held = end_ - begin_;
  const std::size_t needed = std::max(parser_.bytes_expected(), held + 1);
  if (begin_ + needed <= buffer_.capacity) return true;
  const std::size_t wanted =
      std::max(held + 1, std::min(needed, std::max(kFirstGrowthBytes, 4 * held)));
  if (wanted > buffer_.capacity) {
    Buffer bigger = host_->buffers.Take(wanted);
    if (!bigger.data) return false;
    std::memcpy(bigger.data.get(), buffer_.data.get() + begin_, held);
    host_->buffers.Give(std::exchange(buffer_, std::move(bigger)));
  } else {
    std::memmove(buffer_.data.get(), buffer_.data.get() + begin_, held);
  }
  begin_ = 0;
  end_ = held;
  return true;
}

void Connection::ReleaseBuffer() {
  host_->buffers.Give(std::move(buffer_));
  buffer_ = {};
  begin_ = end_ = 0;
}

void Connection::OnEndOfInput() {
  input_ended_ = true;
  if (phase_ == Phase::kHandling) return;  // half-closed: the answer is still wanted
  if (phase_ != Phase::kIdle) return Close();
  phase_ = Phase::kEnding;
  Flush();
}

void Connection::Process() {
  bool stalled = false;
  do {
    processing_ = true;
    while (ProcessOne()) {
    }
    processing_ = false;
    // Requests that waited in the buffer for the answers before them to leave go on at once.
    stalled = unsent_bytes() > kUnsentBytesMax;
    Flush();
  } while (stalled && phase_ <= Phase::kBody && unsent_bytes() <= kUnsentBytesMax);
  const bool wants_input = phase_ <= Phase::kBody || phase_ == Phase::kStreaming;
  if (!wants_input) return;
  if (input_ended_) return OnEndOfInput();
  if (unsent_bytes() <= kUnsentBytesMax) WaitReadable();
}

// True: the connection is ready for the next request in the buffer.
bool Connection::ProcessOne() {
  if (phase_ > Phase::kBody || unsent_bytes() > kUnsentBytesMax) return false;
  if (phase_ == Phase::kIdle) SkipEmptyLine();
  if (begin_ == end_) {
    if (buffer_.data) ReleaseBuffer();
    return false;
  }
  char* const from = buffer_.data.get() + begin_;
  switch (parser_.ParseHead(from, end_ - begin_)) {
    case RequestParser::Step::kRejected:
      Reject(parser_.rejection());
      return false;
    case RequestParser::Step::kMore:
      SetPhase(Phase::kHead);
      return false;
    case RequestParser::Step::kReady:
      break;
  }
  if (!body_limited_ && parser_.has_body()) {
    body_limited_ = true;
    const std::size_t body_bytes_max = host_->handler.BodyBytesMax(parser_.request());
    if (parser_.LimitBody(body_bytes_max) == RequestParser::Step::kRejected) {
      Reject(parser_.rejection());
      return false;
    }
  }
  switch (parser_.ParseBody(from, end_ - begin_)) {
    case RequestParser::Step::kRejected:
      Reject(parser_.rejection());
      return false;
    case RequestParser::Step::kMore:
      SetPhase(Phase::kBody);
      return false;
    case RequestParser::Step::kReady:
      break;
  }
  Dispatch();
  return phase_ == Phase::kIdle;
}

// RFC 9112 section 2.2: one empty line before a request is passed over (old clients send one too
// many after a body).
void Connection::SkipEmptyLine() {
  const char* const from = buffer_.data.get() + begin_;
  if (end_ - begin_ >= 2 && from[0] == '\r' && from[1] == '\n') begin_ += 2;
}

void Connection::SetPhase(Phase phase) {
  if (phase_ == phase) return;
  phase_ = phase;
  if (phase == Phase::kHead) deadline_ns_ = host_->now_ns + host_->limits.header_deadline_ns;
  if (phase != Phase::kBody) return;
  window_bytes_ = 0;
  deadline_ns_ = host_->now_ns + host_->limits.body_window_ns;
  if (parser_.expects_continue()) out_ += "HTTP/1.1 100 Continue\r\n\r\n";
}

void Connection::Dispatch() {
  phase_ = Phase::kHandling;
  deadline_ns_ = 0;
  host_->handler.Handle(parser_.request(), Responder(TakeTarget()));
}

std::shared_ptr<Connection::ResponseTarget> Connection::TakeTarget() {
  if (!target_ || target_.use_count() > 1) {
    if (target_) target_->Detach();
    target_ = std::make_shared<ResponseTarget>();
  }
  target_->Attach(this);
  return target_;
}

void Connection::Reject(const Rejection& rejection) {
  // Its handler is asked only once the head is known to be sound. A page has to be able to read
  // that it is too long as well, or its SDK takes that for a network fault and sends it again.
  const bool sound = body_limited_ || parser_.rejected_but_sound();
  const Response response =
      sound ? host_->handler.Refusal(parser_.request(), rejection.status, rejection.code,
                                     rejection.message)
            : ErrorResponse(rejection.status, rejection.code, rejection.message);
  AppendResponse(out_, response, {.close = true});
  phase_ = Phase::kEnding;
  deadline_ns_ = 0;
  if (!processing_) Flush();
}

// ---- Answering ----------------------------------------------------------------------------------

WriteMode Connection::Mode(bool close) {
  return {.head_only = parser_.request().method == Method::kHead,
          .close = close || !parser_.keep_alive() || host_->draining,
          .http11 = parser_.http11()};
}

void Connection::Answer(const Response& response) {
  const WriteMode mode = Mode(response.close);
  AppendResponse(out_, response, mode);
  FinishExchange(mode.close);
  GoOn();
}

void Connection::AnswerCanned(std::string_view bytes) {
  const WriteMode mode = Mode(false);
  AppendCanned(out_, bytes, mode);
  FinishExchange(mode.close);
  GoOn();
}

void Connection::AnswerDropped() {
  Answer(ErrorResponse(500, "internal", "the request was given up without an answer"));
}

void Connection::StartStream(const Response& head) {
  stream_mode_ = Mode(head.close);
  stream_mode_.close |= !stream_mode_.http11;
  AppendStreamHead(out_, head, stream_mode_);
  phase_ = Phase::kStreaming;
  if (stream_mode_.head_only || host_->draining) {
    target_->EndStream();
  } else if (!processing_) {
    Flush();
    WaitReadable();
  }
}

bool Connection::WriteStream(std::string_view bytes) {
  const std::size_t unsent = unsent_bytes();
  if (unsent > 0 && unsent + bytes.size() > host_->limits.stream_buffer_bytes_max) return false;
  AppendChunk(out_, bytes, stream_mode_);
  if (!processing_) Flush();
  return phase_ == Phase::kStreaming;
}

void Connection::EndStream() {
  AppendStreamEnd(out_, stream_mode_);
  FinishExchange(stream_mode_.close || host_->draining);
  GoOn();
}

void Connection::FinishExchange(bool close) {
  begin_ += parser_.wire_bytes();
  parser_.Reset();
  body_limited_ = false;
  phase_ = close ? Phase::kEnding : Phase::kIdle;
  deadline_ns_ = close ? 0 : host_->now_ns + host_->limits.idle_deadline_ns;
}

void Connection::GoOn() {
  if (!processing_) Process();
}

// ---- Writing ------------------------------------------------------------------------------------

void Connection::Flush() {
  if (writing_ || phase_ == Phase::kClosed) return;
  while (out_sent_ < out_.size()) {
    error_code ec;
    const auto rest = asio::buffer(out_.data() + out_sent_, unsent_bytes());
    const std::size_t n = socket_.write_some(rest, ec);
    if (ec == asio::error::would_block) return WaitWritable();
    if (ec) return Close();
    out_sent_ += n;
  }
  write_deadline_ns_ = 0;
  out_sent_ = 0;
  out_.clear();
  if (out_.capacity() > kKeptOutputBytes) std::string().swap(out_);
  if (phase_ == Phase::kStreaming) target_->Sent();
  if (phase_ == Phase::kEnding) Linger();
}

void Connection::WaitWritable() {
  writing_ = true;
  write_deadline_ns_ = host_->now_ns + host_->limits.write_deadline_ns;
  // What has been sent need not be kept while the rest waits.
  out_.erase(0, std::exchange(out_sent_, 0));
  socket_.async_wait(Socket::wait_write,
                     asio::bind_allocator(HandlerAllocator<char>(write_memory_),
                                          [self = shared_from_this()](const error_code& error) {
                                            self->writing_ = false;
                                            if (self->phase_ == Phase::kClosed) return;
                                            if (error) return self->Close();
                                            self->GoOnWriting();
                                          }));
}

// Requests that waited for a slow reader go on once there is room for their answers.
void Connection::GoOnWriting() {
  Flush();
  if (phase_ <= Phase::kBody && unsent_bytes() <= kUnsentBytesMax) Process();
}

void Connection::Linger() {
  if (input_ended_) return Close();
  phase_ = Phase::kLingering;
  deadline_ns_ = host_->now_ns + kLingerNanos;
  ReleaseBuffer();
  error_code ignored;
  socket_.shutdown(Socket::shutdown_send, ignored);
  WaitReadable();
}

void Connection::Discard() {
  char scratch[16 * 1024];
  for (const std::size_t before = lingered_bytes_; lingered_bytes_ - before < kLingerBytesAtOnce;) {
    error_code ec;
    const std::size_t n = socket_.read_some(asio::buffer(scratch), ec);
    if (ec == asio::error::would_block) return WaitReadable();
    if (ec == asio::error::eof && phase_ == Phase::kEnding) {
      input_ended_ = true;
      return;
    }
    lingered_bytes_ += n;
    if (ec || lingered_bytes_ > kLingerBytesMax) return Close();
  }
  WaitReadable();
}

}  // namespace tributary::http
