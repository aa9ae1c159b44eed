#include "http/error_response.h"

namespace tributary::http {
namespace {

int StatusOf(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalid:
      return 400;
    case ErrorCode::kUnsupported:
      return 400;
    case ErrorCode::kDenied:
      return 403;
    case ErrorCode::kNotFound:
      return 404;
    case ErrorCode::kConflict:
      return 409;
    case ErrorCode::kTooLarge:
      return 413;
    case ErrorCode::kUnavailable:
      return 503;
    case ErrorCode::kDeadline:
      return 504;
    case ErrorCode::kExhausted:
      return 507;
    case ErrorCode::kCorrupt:
    case ErrorCode::kIo:
    case ErrorCode::kInternal:
      break;
  }
  return 500;
}

// Error texts quote what callers sent, so bytes that are no UTF-8 can be among them: each becomes
// U+FFFD, since a JSON document must be UTF-8.
std::size_t Utf8Length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  const std::size_t length = lead < 0x80   ? 1
                             : lead < 0xC2 ? 0
                             : lead < 0xE0 ? 2
                             : lead < 0xF0 ? 3
                             : lead < 0xF5 ? 4
                                           : 0;
  if (length == 0 || length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  const bool overlong = (lead == 0xE0 && byte(1) < 0xA0) || (lead == 0xF0 && byte(1) < 0x90);
  const bool surrogate = lead == 0xED && byte(1) > 0x9F;
  const bool too_high = lead == 0xF4 && byte(1) > 0x8F;
  return overlong || surrogate || too_high ? 0 : length;
}

void AppendJsonString(std::string& out, std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  while (!text.empty()) {
    const std::size_t length = Utf8Length(text);
    const char c = text.front();
    if (length == 0) {
      out += "\xEF\xBF\xBD";
    } else if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      const char escape[] = {'\\', 'u', '0', '0', kHex[c >> 4 & 15], kHex[c & 15]};
      out.append(escape, sizeof escape);
    } else {
      out.append(text.substr(0, length));
    }
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  out += '"';
}

}  // namespace

Response ErrorResponse(int status, std::string_view code, std::string_view message,
                       std::string_view field) {
  std::string body = "{\"success\":false,\"code\":";
  AppendJsonString(body, code);
  body += ",\"message\":";
  AppendJsonString(body, message);
  if (!field.empty()) {
    body += ",\"field\":";
    AppendJsonString(body, field);
  }
  body += '}';
  Response response = Response::Json(status, std::move(body));
  if (status == 503 || status == 507) {
    response.headers.emplace_back("Retry-After", std::to_string(kRetryAfterSeconds));
  }
  return response;
}

Response ErrorResponse(const Error& error) {
  const int status = StatusOf(error.code());
  const std::string_view message = status == 500 ? "the server could not do this; its log says why"
                                                 : std::string_view(error.message());
  return ErrorResponse(status, CodeName(error.code()), message, error.field());
}

Response UnauthorizedResponse(std::string_view message, std::string_view challenge) {
  Response response = ErrorResponse(401, CodeName(ErrorCode::kDenied), message);
  response.headers.emplace_back("WWW-Authenticate", std::string(challenge));
  return response;
}

}  // namespace tributary::http
