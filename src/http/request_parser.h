// Where a request begins and ends (RFC 9112), read in place: Beast's parser does the grammar, this
// file refuses whatever two readers could understand differently (RELIABILITY.md B3).
//
// The caller owns the bytes, may move them between calls, and keeps them until it is done with
// request(), whose views point into them. Chunked bodies are joined in place, over their framing.
// No I/O, no allocation that is not reused by the next request.
#pragma once

#include <boost/beast/http/basic_parser.hpp>
#include <optional>
#include <string>

#include "http/message.h"
#include "http/server.h"

namespace tributary::http {

// Why a request is not served; its connection is closed after the answer.
struct Rejection {
  int status = 0;  // 0: none
  std::string_view code;
  std::string message;
};

class RequestParser {
 public:
  enum class Step { kMore, kReady, kRejected };

  explicit RequestParser(const ServerLimits& limits) : limits_(limits) { Reset(); }
  RequestParser(const RequestParser&) = delete;
  RequestParser& operator=(const RequestParser&) = delete;

  void Reset();  // for the next request

  // `begin` is the first byte of the request, `size` what has arrived since then, this request or
  // later ones. kReady: the head is whole (again at every later call).
  Step ParseHead(char* begin, std::size_t size);
  // Once, after the head is ready and before ParseBody. kRejected: announced to be longer.
  Step LimitBody(std::size_t body_bytes_max);
  // kReady: request().body is whole, and the next request begins at begin + wire_bytes().
  Step ParseBody(char* begin, std::size_t size);

  Request& request() { return request_; }
  const Rejection& rejection() const { return rejection_; }
  // Rejected for its size or its Expect only: method, path and the headers so far are what they
  // seem.
  bool rejected_but_sound() const {
    return have_start_line_ && (rejection_.status == 431 || rejection_.status == 417);
  }
  bool has_body() const { return chunked_ || content_length_ > 0; }
  bool expects_continue() const { return expects_continue_ && http11_; }
  bool http11() const { return http11_; }
  bool keep_alive() const { return http11_ && beast_->keep_alive(); }
  std::size_t wire_bytes() const { return wire_bytes_; }
  // How long the request is as far as is known: what its buffer should have room for.
  std::size_t bytes_expected() const;

 private:
  struct BeastParser : boost::beast::http::basic_parser<true> {
    explicit BeastParser(RequestParser& owner) : owner_(owner) {}
    using string_view = boost::beast::string_view;
    using error_code = boost::beast::error_code;
    void on_request_impl(boost::beast::http::verb, string_view, string_view, int,
                         error_code&) override;
    void on_response_impl(int, string_view, int, error_code&) override {}
    void on_field_impl(boost::beast::http::field, string_view, string_view, error_code&) override;
    void on_header_impl(error_code&) override {}
    void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
    std::size_t on_body_impl(string_view, error_code&) override { return 0; }
    void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override;
    std::size_t on_chunk_body_impl(std::uint64_t, string_view, error_code&) override;
    void on_finish_impl(error_code&) override {}
    RequestParser& owner_;
  };

  Step Reject(int status, std::string_view code, std::string message);
  Step RejectBeast(const boost::beast::error_code& error);
  Step HeadTooLong(const char* begin, std::size_t size);
  Step FinishHead();
  Step ParseChunks(char* begin, std::size_t size);
  void Rebase(char* begin);
  // The rules of one header field; a refusal is left in rejection_.
  void JudgeField(boost::beast::http::field field, std::string_view name, std::string_view value);
  void JudgeHost(std::string_view value);
  void JudgeContentLength(std::string_view value);
  void JudgeTransferEncoding(std::string_view value);
  void TakeTarget(std::string_view target);
  bool IsFolded(std::string_view name, std::string_view value) const;

  const ServerLimits& limits_;
  std::optional<BeastParser> beast_;
  Request request_;
  Rejection rejection_;
  char* begin_ = nullptr;
  std::size_t size_ = 0;
  std::size_t parsed_bytes_ = 0;  // given to and taken by Beast
  std::size_t head_bytes_ = 0;
  std::size_t wire_bytes_ = 0;
  std::size_t body_bytes_ = 0;
  std::size_t body_bytes_max_ = 0;
  std::size_t trailers_ = 0;
  std::uint64_t content_length_ = 0;
  std::string_view host_;
  std::string_view authority_;  // of an absolute-form target
  bool http11_ = true;
  bool head_ready_ = false;
  bool have_start_line_ = false;
  bool have_host_ = false;
  bool have_length_ = false;
  bool chunked_ = false;
  bool expects_continue_ = false;
};

}  // namespace tributary::http
