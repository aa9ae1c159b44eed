#include "base/result.h"

namespace tributary {

std::string_view CodeName(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalid:
      return "invalid";
    case ErrorCode::kNotFound:
      return "not_found";
    case ErrorCode::kConflict:
      return "conflict";
    case ErrorCode::kDenied:
      return "denied";
    case ErrorCode::kTooLarge:
      return "too_large";
    case ErrorCode::kExhausted:
      return "exhausted";
    case ErrorCode::kUnavailable:
      return "unavailable";
    case ErrorCode::kDeadline:
      return "deadline";
    case ErrorCode::kCorrupt:
      return "corrupt";
    case ErrorCode::kIo:
      return "io";
    case ErrorCode::kUnsupported:
      return "unsupported";
    case ErrorCode::kInternal:
      return "internal";
  }
  return "internal";
}

std::unexpected<Error> Fail(ErrorCode code, std::string message) {
  return std::unexpected(Error(code, std::move(message)));
}

std::unexpected<Error> Fail(ErrorCode code, std::string field, std::string message) {
  return std::unexpected(Error(code, std::move(field), std::move(message)));
}

std::unexpected<Error> Fail(Error error) {
  return std::unexpected(std::move(error));
}
std::unexpected<Error> WrongField(std::string_view field, std::string_view rest) {
  return Fail(ErrorCode::kInvalid, std::string(field),
              std::string(field) + " " + std::string(rest));
}

std::string Error::ToString() const {
  std::string out(CodeName(code_));
  out += ": ";
  out += message_;
  return out;
}

}  // namespace tributary
