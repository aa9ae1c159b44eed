#include "bench/support/sender.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <utility>

#include "bench/support/clock.h"
#include "bench/support/die.h"
#include "bench/support/http_text.h"

namespace tributary::bench {
namespace {

constexpr std::string_view kSuccessBody = "{\"success\":true}";
constexpr uint64_t kDisconnectsMax = 100'000;

}  // namespace

// Registered once, edge-triggered for both directions, so that a request costs one send, one recv
// and its share of one epoll_wait.
class Sender::Connection final : public Handler {
 public:
  explicit Connection(Sender* sender) : sender_(sender), buffer_(kBufferBytes, '\0') {
    if (!Open()) Die("no server at " + sender_->options_.server.Text());
  }
  ~Connection() override { close(fd_); }

  void Begin(PooledRequest* request, int64_t started_ns) {
    request_ = request;
    started_ns_ = started_ns;
    sent_ = 0;
    Send();
  }

  void OnEvents(uint32_t events) override {
    if (request_ != nullptr && sent_ < request_->bytes.size() && (events & EPOLLOUT) != 0) Send();
    if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0) Receive();
  }

  // A new socket in place of the one that ended.
  bool Open() {
    if (fd_ >= 0) close(fd_);
    got_ = 0;
    fd_ = Connect(sender_->options_.server);
    if (fd_ < 0) return false;
    sender_->loop_->Add(fd_, EPOLLIN | EPOLLOUT | EPOLLET, this);
    return true;
  }

  PooledRequest* TakeRequest() { return std::exchange(request_, nullptr); }
  const PooledRequest* request() const { return request_; }
  int64_t started_ns() const { return started_ns_; }
  int64_t free_since_ns() const { return free_since_ns_; }
  void set_free_since_ns(int64_t now_ns) { free_since_ns_ = now_ns; }

 private:
  static constexpr size_t kBufferBytes = 256 << 10;

  void Send() {
    const std::string& bytes = request_->bytes;
    while (sent_ < bytes.size()) {
      const ssize_t sent = send(fd_, bytes.data() + sent_, bytes.size() - sent_, MSG_NOSIGNAL);
      if (sent < 0) return;  // EAGAIN: an edge will come; an error: Receive will see it
      sent_ += static_cast<size_t>(sent);
    }
  }

  void Receive() {
    // A short read means that the socket is empty: what comes later is a new edge.
    for (bool more = true; more;) {
      const size_t room = buffer_.size() - got_;
      const ssize_t got = recv(fd_, buffer_.data() + got_, room, 0);
      if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
      if (got <= 0) return sender_->OnDisconnected(this);
      got_ += static_cast<size_t>(got);
      more = static_cast<size_t>(got) == room;
      if (!ParseAnswer()) return;
    }
  }

  // False when the connection was given up and opened again.
  bool ParseAnswer() {
    Response response;
    size_t size = 0;
    const Parsed parsed = ParseResponse({buffer_.data(), got_}, &response, &size);
    if (parsed == Parsed::kNeedMore && got_ < buffer_.size()) return true;
    if (parsed != Parsed::kWhole || size != got_ || request_ == nullptr) {
      sender_->OnBroken(this);
      return false;
    }
    if (sent_ < request_->bytes.size()) {
      sender_->OnEarlyAnswer(this, response.status);
      return false;
    }
    got_ = 0;
    sender_->OnAnswer(this, response.status, response.body);
    return true;
  }

  Sender* sender_;
  int fd_ = -1;
  std::string buffer_;
  size_t got_ = 0;
  PooledRequest* request_ = nullptr;
  size_t sent_ = 0;
  int64_t started_ns_ = 0;
  int64_t free_since_ns_ = 0;
};

Sender::Sender(Loop* loop, RequestPool* pool, const Options& options)
    : loop_(loop), pool_(pool), options_(options) {
  if (options.rate > 0) {
    interval_ns_ = std::max<int64_t>(1, static_cast<int64_t>(kNsPerSecond / options.rate));
  }
  for (size_t i = 0; i < options.connections; ++i) {
    connections_.push_back(std::make_unique<Connection>(this));
  }
}

Sender::~Sender() = default;

bool Sender::MayStart() const {
  return !stopped_ && (options_.requests_max == 0 || started_ < options_.requests_max);
}

void Sender::Start() {
  next_due_ns_ = NowNs();
  for (const auto& connection : connections_) Free(connection.get());
}

void Sender::StartOn(Connection* connection, int64_t started_ns) {
  ++started_;
  ++in_flight_;
  connection->Begin(pool_->Take(started_ns), started_ns);
}

int64_t Sender::StartDue() {
  const int64_t now_ns = NowNs();
  if (interval_ns_ == 0 || !MayStart() || free_.empty()) return now_ns + kNsPerSecond / 10;
  while (next_due_ns_ <= now_ns && !free_.empty() && MayStart()) {
    Connection* connection = free_.back();
    free_.pop_back();
    // If a connection was free in time, only our own waking up was late: not the server's doing.
    const bool waited = connection->free_since_ns() > next_due_ns_;
    StartOn(connection, waited ? next_due_ns_ : NowNs());
    next_due_ns_ += interval_ns_;
  }
  return next_due_ns_;
}

void Sender::Free(Connection* connection) {
  if (interval_ns_ > 0) {
    connection->set_free_since_ns(NowNs());
    free_.push_back(connection);
  } else if (MayStart()) {
    StartOn(connection, NowNs());
  }
}

void Sender::OnAnswer(Connection* connection, int status, std::string_view body) {
  if (status == 200 && body == kSuccessBody) {
    results_.latency.Record(NowNs() - connection->started_ns());
    ++results_.accepted_requests;
    ++accepted_in_all_;
    if (on_accepted_) on_accepted_(*connection->request());
  } else if (status == 200) {
    ++results_.wrong_bodies;
  } else {
    ++results_.other_statuses[status];
  }
  pool_->Return(connection->TakeRequest());
  --in_flight_;
  Free(connection);
}

// Half of the request is still unsent, so the connection cannot carry another one.
void Sender::OnEarlyAnswer(Connection* connection, int status) {
  ++results_.other_statuses[status];
  OnDisconnected(connection);
}

void Sender::OnBroken(Connection* connection) {
  ++results_.broken_answers;
  OnDisconnected(connection);
}

void Sender::OnDisconnected(Connection* connection) {
  if (++results_.disconnects > kDisconnectsMax) Die("the server keeps closing connections");
  const bool had_request = connection->request() != nullptr;
  if (had_request) {
    pool_->Return(connection->TakeRequest());
    --in_flight_;
  }
  if (!connection->Open()) Die("the server at " + options_.server.Text() + " is gone");
  if (had_request) Free(connection);
}

bool Sender::Finished() const {
  return in_flight_ == 0 && !MayStart();
}

uint64_t Sender::overdue(int64_t now_ns) const {
  if (interval_ns_ == 0 || next_due_ns_ > now_ns) return 0;
  return static_cast<uint64_t>((now_ns - next_due_ns_) / interval_ns_);
}

}  // namespace tributary::bench
