// A running server, as the client commands see it: calls that wait for their answer.
//
// Each call over HTTP runs its own event loop on the calling thread until the answer is there, so
// a command reads from top to bottom and no thread is started. One thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "config/loader.h"
#include "http/message.h"

namespace tributary::cli {

class Arguments;

inline constexpr std::size_t kAnswerBytesMax = 32 * 1024 * 1024;
inline constexpr std::size_t kPagesMax = 1000;  // of one list

struct ApiTarget {
  std::string url;    // "http://127.0.0.1:8080", perhaps with a path in front of the API's
  std::string token;  // empty: none is sent
};

struct ApiCall {
  std::string method = "GET";
  std::string path;  // from '/', percent-encoded
  std::string body;  // JSON, or empty
  std::vector<http::Header> headers;
};

struct ApiAnswer {
  int status = 0;
  std::vector<http::Header> headers;
  std::string body;
  std::string_view header(std::string_view name) const;  // any letter case; empty when absent
};

class Api {
 public:
  virtual ~Api() = default;
  // Any status is an answer; an error means that there was none. kUnavailable: nothing was sent,
  // because nobody listens there; any other code leaves open whether the server acted on it.
  virtual Result<ApiAnswer> Call(const ApiCall& call) = 0;
  virtual void Wait(MonoNanos span) = 0;
  // The same for an answer without an end: `on_piece` gets the body of a 2xx as it comes, until it
  // says false or the connection ends. Another status is the answer as ever.
  using OnPiece = std::function<bool(std::string_view piece)>;
  virtual Result<ApiAnswer> Stream(const ApiCall& call, OnPiece on_piece) = 0;
};

using Connect = std::function<Result<std::unique_ptr<Api>>(const ApiTarget& target)>;
// kInvalid when the URL or the token can be none. Connects at the first call. The target was chosen
// by whoever types the command, so its address may be any, also a private one.
Result<std::unique_ptr<Api>> ConnectOverHttp(const ApiTarget& target);

// The body of a 2xx; for any other status an error with the server's sentence.
Result<std::string> CallForBody(Api& api, const ApiCall& call);
std::string MessageOf(const ApiAnswer& answer);
// The entries of a list, page after page, as JSON texts; at most `entries_max` (not 0) of them.
inline constexpr std::size_t kAllEntries = static_cast<std::size_t>(-1);
Result<std::vector<std::string>> ListAll(Api& api, const std::string& path,
                                         std::size_t entries_max = kAllEntries);
// The path with one more query parameter, encoded.
std::string WithQuery(const std::string& path, std::string_view name, std::string_view value);

// What every client command takes: --url, --token and --json, or TRIBUTARY_URL, TRIBUTARY_TOKEN.
struct ApiOptions {
  std::optional<std::string> url;
  std::optional<std::string> token;
  bool json = false;
  void Describe(Arguments& arguments);
  ApiTarget Target(const config::Environment& environment) const;
};

// One part of a path: everything but unreserved characters is percent-encoded, and of "." and ".."
// these too.
std::string EncodePathPart(std::string_view text);
// The entry of `egress: allow` that lets requests to this URL through; kInvalid says what is wrong.
Result<std::string> AllowanceFor(std::string_view url);

}  // namespace tributary::cli
