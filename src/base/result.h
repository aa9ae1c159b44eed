// Errors as values. Anything that can fail in ordinary life returns Result<T> or Status.
//
// An Error is a code from one short list, a sentence for people, and optionally the name of the
// field that was wrong. Context is added on the way up with With(). One function elsewhere turns a
// code into an HTTP answer (http/error_response.h), one into an exit code (cli).
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace tributary {

enum class ErrorCode {
  kInvalid,      // the caller sent something wrong; retrying the same is useless
  kNotFound,     // the thing named does not exist
  kConflict,     // it exists already, or the state does not allow it
  kDenied,       // not authenticated or not allowed
  kTooLarge,     // over a byte or count limit
  kExhausted,    // no room: disk, log size limit, descriptors
  kUnavailable,  // cannot now, may later: queue full, log poisoned, shutting down
  kDeadline,     // took too long
  kCorrupt,      // bytes read back are not the bytes written
  kIo,           // the operating system said no
  kUnsupported,  // a version or option this program does not know
  kInternal,     // a bug of ours
};

// "invalid", "not_found", …: the machine-readable form, also used as `code` in API answers.
std::string_view CodeName(ErrorCode code);

class Error {
 public:
  Error(ErrorCode code, std::string message) : code_(code), message_(std::move(message)) {}
  Error(ErrorCode code, std::string field, std::string message)
      : code_(code), message_(std::move(message)), field_(std::move(field)) {}

  ErrorCode code() const { return code_; }
  const std::string& message() const { return message_; }
  const std::string& field() const { return field_; }  // empty: no single field is to blame

  // The same error with "context: " in front of its sentence.
  Error With(std::string_view context) const {
    Error e = *this;
    e.message_ = std::string(context) + ": " + message_;
    return e;
  }
  // "io: open /x: Permission denied"
  std::string ToString() const;

 private:
  ErrorCode code_;
  std::string message_;
  std::string field_;
};

template <class T>
using Result = std::expected<T, Error>;
using Status = std::expected<void, Error>;

// Out of line: errors are off the hot path, and inlined copies confuse GCC 12's bounds check.
std::unexpected<Error> Fail(ErrorCode code, std::string message);
std::unexpected<Error> Fail(ErrorCode code, std::string field, std::string message);
std::unexpected<Error> Fail(Error error);
// kInvalid of a field, whose name begins the sentence: "limit must be a number".
std::unexpected<Error> WrongField(std::string_view field, std::string_view rest);

// The one way to drop an error on purpose; `why` makes every such place searchable.
template <class T>
inline void IgnoreError(const Result<T>&, std::string_view /*why*/) {}

}  // namespace tributary

#define TRIBUTARY_CONCAT_(a, b) a##b
#define TRIBUTARY_CONCAT(a, b) TRIBUTARY_CONCAT_(a, b)
// TRY(expr): leave the function with the error of a Status/Result, otherwise go on.
#define TRY(expr)                                                             \
  do {                                                                        \
    auto try_result_ = (expr);                                                \
    if (!try_result_) return std::unexpected(std::move(try_result_).error()); \
  } while (false)
// TRY_ASSIGN(auto x, expr): the value of a Result, or leave the function with its error.
#define TRY_ASSIGN(lhs, expr) TRY_ASSIGN_(TRIBUTARY_CONCAT(try_value_, __LINE__), lhs, expr)
#define TRY_ASSIGN_(tmp, lhs, expr)                         \
  auto tmp = (expr);                                        \
  if (!tmp) return std::unexpected(std::move(tmp).error()); \
  lhs = std::move(*tmp)
