// The door of the HTTP client: libcurl's multi interface on one loop. Keep-alive, HTTP/2 over TLS,
// certificates verified, redirects never followed, proxies from the environment ignored, answers
// read to a limit, the egress guard asked about every address that is connected to.
//
// Threads: a client belongs to one executor; Send, Cancel and callbacks on its thread only.
// Failure: every request ends in exactly one callback (unless cancelled: then in none).
// The process must ignore SIGPIPE (app/ sees to it): TLS writes with write(2).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "http/egress_guard.h"
#include "http/message.h"
#include "http/tls_identity.h"
#include "os/asio_loop.h"

namespace tributary::http {

struct ClientRequest {
  std::string method = "POST";
  std::string url;
  std::vector<Header> headers;
  std::shared_ptr<const std::string> body;      // shared: a retry sends the same bytes
  MonoNanos timeout_ns = 15 * kNanosPerSecond;  // of the whole attempt
  std::shared_ptr<const TlsIdentity> tls;       // nullptr: the client's; checked before
  std::size_t response_bytes_max = 64 * 1024;   // past it the rest is not read; not a failure
  // Takes the body of a 2xx piece by piece, as it comes and without a limit, instead of the
  // response; on the loop. False ends the transfer (Failure::kOther).
  std::function<bool(std::string_view piece)> on_piece;
};

// Why there is no status. Words of the delivery log (downstream-dispatch.md section 5, the end).
enum class Failure : std::uint8_t {
  kNone,
  kTimeout,   // ETIMEDOUT
  kRefused,   // EREFUSED
  kReset,     // ECONNRESET: also cut connections and broken answers
  kNotFound,  // ENOTFOUND: the name does not resolve
  kTls,       // certificate or handshake
  kBlocked,   // blocked_address: the egress guard said no
  kInvalidUrl,
  kOther,
};
std::string_view FailureName(Failure failure);

struct ClientResponse {
  Failure failure = Failure::kNone;
  std::string error;            // a sentence; never says whether a blocked port was open
  int status = 0;               // 0 when failure != kNone
  std::vector<Header> headers;  // bounded: at most 100, 16 KiB
  std::string body;             // at most response_bytes_max
  MonoNanos duration_ns = 0;
};

class Client {
 public:
  using Id = std::uint64_t;
  using Done = std::move_only_function<void(ClientResponse)>;
  virtual ~Client() = default;
  virtual Id Send(ClientRequest request, Done done) = 0;
  virtual void Cancel(Id id) = 0;
  virtual std::size_t in_flight() const = 0;
};

struct ClientOptions {
  std::size_t connections_max = 512;
  std::size_t connections_per_host_max = 64;
  std::string user_agent = "Tributary";
  std::string ca_file;  // empty: the system's
};
std::unique_ptr<Client> MakeCurlClient(os::AsioLoop& loop, const EgressGuard& guard,
                                       const ClientOptions& options);

}  // namespace tributary::http
