#include "http/server.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <vector>

#include "base/logging.h"
#include "http/connection.h"
#include "http/error_response.h"

namespace tributary::http {
namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

using Acceptor = asio::basic_socket_acceptor<tcp, asio::io_context::executor_type>;
using ReusePort = asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;

constexpr int kBacklog = 4096;
constexpr MonoNanos kTickNanosMin = 5 * kNanosPerMilli;
constexpr MonoNanos kTickNanosMax = kNanosPerSecond;
constexpr MonoNanos kAcceptBackOffNanos = 100 * kNanosPerMilli;
constexpr int kShedPerTurnMax = 64;
constexpr std::string_view kTooManyConnections =
    "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\n"
    "Connection: close\r\nContent-Length: 84\r\n\r\n"
    R"({"success":false,"code":"unavailable","message":"the server has no descriptor left"})";

// One tick serves all deadlines: a quarter of the shortest, at most a second.
MonoNanos TickFor(const ServerLimits& limits) {
  const MonoNanos shortest = std::min({limits.header_deadline_ns, limits.idle_deadline_ns,
                                       limits.body_window_ns, limits.write_deadline_ns});
  return std::clamp(shortest / 4, kTickNanosMin, kTickNanosMax);
}

bool OutOfDescriptors(const error_code& error) {
  return error == asio::error::no_descriptors || error == asio::error::no_memory ||
         error == asio::error::no_buffer_space ||
         error == boost::system::errc::too_many_files_open_in_system;
}

class AsioServer final : public Server, public ConnectionHost {
 public:
  AsioServer(os::AsioLoop& loop, const ServerLimits& server_limits, Handler& request_handler)
      : ConnectionHost(server_limits, request_handler),
        loop_(loop),
        acceptor_(loop.context()),
        reserve_(loop.context()),
        tick_ns_(TickFor(server_limits)) {}

  ~AsioServer() override {
    if (tick_timer_ != 0) loop_.Cancel(tick_timer_);
    if (back_off_timer_ != 0) loop_.Cancel(back_off_timer_);
    while (!connections_.empty()) connections_.back()->Close();
  }

  Status Open(const tcp::endpoint& endpoint, PortUse use) {
    error_code ec;
    const auto failed = [&](std::string_view what) {
      const bool denied = ec == asio::error::access_denied;
      return Fail(denied ? ErrorCode::kDenied : ErrorCode::kUnavailable,
                  std::string(what) + " " + endpoint.address().to_string() + ":" +
                      std::to_string(endpoint.port()) + ": " + ec.message());
    };
    if (acceptor_.open(endpoint.protocol(), ec)) return failed("open");
    if (acceptor_.set_option(Acceptor::reuse_address(true), ec)) return failed("open");
    const ReusePort share(true);
    if (use == PortUse::kJoin && acceptor_.set_option(share, ec)) return failed("share");
    if (acceptor_.bind(endpoint, ec)) return failed("listen on");
    // After the bind, which so fails when anybody else has the address, whether they share or not.
    if (use == PortUse::kFirst && acceptor_.set_option(share, ec)) return failed("share");
    if (acceptor_.listen(kBacklog, ec)) return failed("listen on");
    if (acceptor_.non_blocking(true, ec)) return failed("listen on");
    bound_ = acceptor_.local_endpoint(ec);
    HoldReserve();
    Accept();
    return {};
  }

  std::string host() const override { return bound_.address().to_string(); }
  std::uint16_t port() const override { return bound_.port(); }
  std::size_t connections() const override { return connections_.size(); }

  void Drain(std::function<void()> done) override {
    draining = true;
    drained_ = std::move(done);
    error_code ignored;
    acceptor_.close(ignored);
    ForEachConnection([](Connection& connection) { connection.Drain(); });
    ReportDrained();
  }

 private:
  void Accept() {
    if (accepting_ || draining || connections_.size() >= limits.connections_max) return;
    accepting_ = true;
    acceptor_.async_accept(
        [this, alive = std::weak_ptr(alive_)](const error_code& error, Connection::Socket socket) {
          if (alive.expired()) return;
          accepting_ = false;
          if (!error) {
            Add(std::move(socket));
          } else if (OutOfDescriptors(error)) {
            return Shed(error);
          } else if (error == asio::error::operation_aborted) {
            return;
          }
          Accept();
        });
  }

  void Add(Connection::Socket socket) {
    error_code ec;
    const tcp::endpoint peer = socket.remote_endpoint(ec);
    if (ec || draining) return;  // gone before we looked
    if (tick_timer_ == 0) Tick();
    auto connection = std::make_shared<Connection>(*this, std::move(socket), peer);
    connection->slot = connections_.size();
    connections_.push_back(connection);
    connection->Start();
  }

  void Remove(Connection& connection) override {
    const std::size_t slot = connection.slot;
    // Kept until the end of this function: the list may hold the last reference.
    const std::shared_ptr<Connection> removed = std::move(connections_[slot]);
    if (slot + 1 != connections_.size()) {
      connections_[slot] = std::move(connections_.back());
      connections_[slot]->slot = slot;
    }
    connections_.pop_back();
    if (draining) {
      ReportDrained();
    } else if (back_off_timer_ == 0) {
      Accept();
    }
  }

  void ReportDrained() {
    if (connections_.empty() && drained_) loop_.Post(std::exchange(drained_, nullptr));
  }

  // Backwards, because whoever is called may remove itself and is then replaced by the last.
  template <class Call>
  void ForEachConnection(Call call) {
    for (std::size_t i = connections_.size(); i-- > 0;) {
      if (i >= connections_.size()) continue;
      const std::shared_ptr<Connection> connection = connections_[i];
      call(*connection);
    }
  }

  void Tick() {
    const MonoNanos now = loop_.Now();
    now_ns = now + tick_ns_;
    ForEachConnection([now](Connection& connection) { connection.CheckDeadlines(now); });
    tick_timer_ = 0;
    if (connections_.empty() && !first_tick_) {
      first_tick_ = true;
      return;  // nobody to watch: no wake-ups
    }
    first_tick_ = false;
    tick_timer_ = loop_.At(now + tick_ns_, [this] { Tick(); });
  }

  // The reserve makes room for one descriptor, so that those who wait can be told.
  void Shed(const error_code& error) {
    LogWarn("accept_failed", {{"error", error.message()}, {"connections", connections_.size()}});
    error_code ec;
    reserve_.close(ec);
    for (int i = 0; i < kShedPerTurnMax; ++i) {
      Connection::Socket socket = acceptor_.accept(ec);
      if (ec) break;
      socket.non_blocking(true, ec);
      socket.write_some(asio::buffer(kTooManyConnections), ec);
      socket.shutdown(tcp::socket::shutdown_send, ec);
      char scratch[4096];
      socket.read_some(asio::buffer(scratch), ec);  // unread bytes would turn close into a reset
    }
    HoldReserve();
    back_off_timer_ = loop_.At(loop_.Now() + kAcceptBackOffNanos, [this] {
      back_off_timer_ = 0;
      HoldReserve();
      Accept();
    });
  }

  void HoldReserve() {
    error_code ignored;
    if (!reserve_.is_open()) reserve_.open(tcp::v4(), ignored);
  }

  os::AsioLoop& loop_;
  Acceptor acceptor_;
  Connection::Socket reserve_;  // never connected: it holds a descriptor
  tcp::endpoint bound_;
  std::vector<std::shared_ptr<Connection>> connections_;
  std::function<void()> drained_;
  MonoNanos tick_ns_;
  os::Executor::TimerId tick_timer_ = 0;
  os::Executor::TimerId back_off_timer_ = 0;
  bool first_tick_ = true;
  bool accepting_ = false;
  std::shared_ptr<int> alive_ = std::make_shared<int>();
};

}  // namespace

Response Handler::Refusal(const Request& /*head*/, int status, std::string_view code,
                          std::string_view message) {
  return ErrorResponse(status, code, message);
}

Result<std::unique_ptr<Server>> Listen(os::AsioLoop& loop, const std::string& host,
                                       std::uint16_t port, PortUse use, const ServerLimits& limits,
                                       Handler& handler) {
  error_code ec;
  const std::string literal = host == "localhost" ? "127.0.0.1"
                              : host.starts_with('[') && host.ends_with(']')
                                  ? host.substr(1, host.size() - 2)
                                  : host;
  const auto address = asio::ip::make_address(literal, ec);
  if (ec) {
    return Fail(ErrorCode::kInvalid, "listen", "'" + host + "' is no address to listen on");
  }
  auto server = std::make_unique<AsioServer>(loop, limits, handler);
  TRY(server->Open({address, port}, use));
  return server;
}

}  // namespace tributary::http
