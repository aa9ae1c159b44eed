// The client commands' way to the server: http/client.h on a loop that lives for one call.
#include <algorithm>

#include "cli/api.h"
#include "cli/command.h"
#include "http/client.h"
#include "os/asio_loop.h"

namespace tributary::cli {
namespace {

constexpr MonoNanos kCallTimeout = 60 * kNanosPerSecond;
constexpr MonoNanos kStreamTimeout = 24 * 3600 * kNanosPerSecond;  // then it is opened again

class HttpApi final : public Api {
 public:
  HttpApi(ApiTarget target, http::EgressGuard guard)
      : target_(std::move(target)), guard_(std::move(guard)) {}

  Result<ApiAnswer> Call(const ApiCall& call) override { return Send(RequestFor(call)); }

  void Wait(MonoNanos span) override {
    os::AsioLoop loop;
    loop.At(loop.Now() + span, [&loop] { loop.Stop(); });
    loop.Run();
  }

  Result<ApiAnswer> Stream(const ApiCall& call, OnPiece on_piece) override {
    http::ClientRequest request = RequestFor(call);
    request.timeout_ns = kStreamTimeout;
    bool ended = false;
    request.on_piece = [&](std::string_view piece) {
      ended = ended || !on_piece(piece);
      return !ended;
    };
    auto answer = Send(std::move(request));
    if (!answer && ended) return ApiAnswer{.status = 200, .headers = {}, .body = {}};
    return answer;
  }

 private:
  Result<ApiAnswer> Send(http::ClientRequest request) {
    os::AsioLoop loop;
    const auto client = http::MakeCurlClient(
        loop, guard_, {.user_agent = "Tributary-CLI/" + std::string(Version())});
    http::ClientResponse response;
    loop.Post([&] {
      client->Send(std::move(request), [&](http::ClientResponse done) {
        response = std::move(done);
        loop.Stop();
      });
    });
    loop.Run();
    if (response.failure != http::Failure::kNone) return Failed(response);
    return ApiAnswer{response.status, std::move(response.headers), std::move(response.body)};
  }

  http::ClientRequest RequestFor(const ApiCall& call) const {
    http::ClientRequest request;
    request.method = call.method;
    request.url = target_.url + call.path;
    request.headers = call.headers;
    const bool authorized = std::ranges::any_of(
        call.headers, [](const http::Header& h) { return h.first == "Authorization"; });
    if (!target_.token.empty() && !authorized) {
      request.headers.emplace_back("Authorization", "Bearer " + target_.token);
    }
    if (!call.body.empty()) {
      request.headers.emplace_back("Content-Type", "application/json");
      request.body = std::make_shared<const std::string>(call.body);
    }
    request.timeout_ns = kCallTimeout;
    request.response_bytes_max = kAnswerBytesMax;
    return request;
  }

  std::unexpected<Error> Failed(const http::ClientResponse& response) const {
    const bool never_sent =
        response.failure == http::Failure::kRefused || response.failure == http::Failure::kNotFound;
    return Fail(never_sent ? ErrorCode::kUnavailable : ErrorCode::kIo,
                target_.url + ": " + response.error +
                    (never_sent ? "; is the server running? (--url names another one)" : ""));
  }

  ApiTarget target_;
  http::EgressGuard guard_;
};

}  // namespace

Result<std::unique_ptr<Api>> ConnectOverHttp(const ApiTarget& target) {
  TRY_ASSIGN(const std::string allowance, AllowanceFor(target.url));
  TRY_ASSIGN(http::EgressGuard guard,
             http::EgressGuard::Make({.allow = {allowance}, .https_only = false}));
  const bool plain = std::ranges::all_of(target.token, [](char c) { return c > 0x20 && c < 0x7F; });
  if (!plain) return Fail(ErrorCode::kInvalid, "the token must be visible ASCII without spaces");
  ApiTarget trimmed = target;
  while (trimmed.url.ends_with('/')) trimmed.url.pop_back();
  return std::make_unique<HttpApi>(std::move(trimmed), std::move(guard));
}

}  // namespace tributary::cli
