#include "http/request_parser.h"

#include <boost/beast/http/error.hpp>
#include <charconv>
#include <cstring>

namespace tributary::http {
namespace beast = boost::beast;

namespace {

// Framing of chunked bodies (sizes, extensions) may be this many times the bytes they carry, plus
// one head: a one-byte chunk needs five, an abuser thousands.
constexpr std::size_t kChunkFramingPerByte = 16;
// "0" and two line ends: no chunked body ends with less, so waiting for them loses nothing.
constexpr std::size_t kLastChunkBytes = 5;

std::string_view View(beast::string_view text) {
  return {text.data(), text.size()};
}

Method MethodOf(beast::http::verb verb) {
  switch (verb) {
    case beast::http::verb::get:
      return Method::kGet;
    case beast::http::verb::head:
      return Method::kHead;
    case beast::http::verb::post:
      return Method::kPost;
    case beast::http::verb::put:
      return Method::kPut;
    case beast::http::verb::patch:
      return Method::kPatch;
    case beast::http::verb::delete_:
      return Method::kDelete;
    case beast::http::verb::options:
      return Method::kOptions;
    default:
      return Method::kOther;
  }
}

// Of chunk framing that is not whole yet: a line end without its CR (RFC 9112 section 2.2) would be
// waited for until the deadline.
bool HasBareLf(std::string_view text) {
  for (std::size_t at = text.find('\n'); at != std::string_view::npos;
       at = text.find('\n', at + 1)) {
    if (at == 0 || text[at - 1] != '\r') return true;
  }
  return false;
}

// uri-host [ ":" port ] of RFC 9110 section 7.2, without user information. Empty is allowed there.
bool IsAuthority(std::string_view text) {
  return text.find_first_of(" \t,/?#@\\\"<>^`{|}") == std::string_view::npos;
}

}  // namespace

void RequestParser::BeastParser::on_request_impl(beast::http::verb verb, string_view method,
                                                 string_view target, int version, error_code& ec) {
  RequestParser& p = owner_;
  p.have_start_line_ = true;
  p.http11_ = version == 11;
  p.request_.method = MethodOf(verb);
  p.request_.method_text = View(method);
  if (target.size() > p.limits_.target_bytes_max) {
    p.Reject(414, "too_large",
             "the request target has more than " + std::to_string(p.limits_.target_bytes_max) +
                 " bytes");
  } else {
    p.TakeTarget(View(target));
  }
  if (p.rejection_.status != 0) ec = beast::http::error::bad_target;
}

void RequestParser::BeastParser::on_field_impl(beast::http::field field, string_view name,
                                               string_view value, error_code& ec) {
  owner_.JudgeField(field, View(name), View(value));
  if (owner_.rejection_.status != 0) ec = beast::http::error::bad_field;
}

void RequestParser::BeastParser::on_chunk_header_impl(std::uint64_t, string_view, error_code&) {}

std::size_t RequestParser::BeastParser::on_chunk_body_impl(std::uint64_t, string_view piece,
                                                           error_code&) {
  // Over the framing that has been read already: never ahead of the parser.
  std::memmove(owner_.begin_ + owner_.head_bytes_ + owner_.body_bytes_, piece.data(), piece.size());
  owner_.body_bytes_ += piece.size();
  return piece.size();
}

void RequestParser::Reset() {
  beast_.emplace(*this);
  // Our own limits, counted over the whole head, replace Beast's.
  beast_->header_limit(UINT32_MAX);
  beast_->body_limit(boost::none);
  beast_->eager(false);
  request_.headers.clear();
  request_.body = {};
  request_.path = request_.query = request_.method_text = {};
  rejection_.status = 0;
  parsed_bytes_ = head_bytes_ = wire_bytes_ = body_bytes_ = trailers_ = 0;
  content_length_ = 0;
  host_ = authority_ = {};
  head_ready_ = have_start_line_ = have_host_ = have_length_ = chunked_ = expects_continue_ = false;
}

std::size_t RequestParser::bytes_expected() const {
  if (!head_ready_ || chunked_) return size_ + 1;
  return head_bytes_ + content_length_;
}

RequestParser::Step RequestParser::ParseHead(char* begin, std::size_t size) {
  if (begin != begin_) Rebase(begin);
  size_ = size;
  if (head_ready_) return Step::kReady;
  beast::error_code ec;
  parsed_bytes_ +=
      beast_->put(boost::asio::const_buffer(begin + parsed_bytes_, size - parsed_bytes_), ec);
  if (rejection_.status != 0) return Step::kRejected;
  if (ec == beast::http::error::need_more) return HeadTooLong(begin, size);
  if (ec) return RejectBeast(ec);
  return FinishHead();
}

RequestParser::Step RequestParser::FinishHead() {
  head_bytes_ = parsed_bytes_;
  if (head_bytes_ > limits_.header_bytes_max) {
    return Reject(
        431, "too_large",
        "the request head has more than " + std::to_string(limits_.header_bytes_max) + " bytes");
  }
  if (http11_ && !have_host_) return Reject(400, "invalid", "the Host header is missing");
  // Two names for one server: whoever decides by the other one would be deceived.
  if (!authority_.empty() && have_host_ && !SameText(authority_, host_)) {
    return Reject(400, "invalid", "the Host header differs from the request target");
  }
  wire_bytes_ = head_bytes_;
  head_ready_ = true;
  beast_->eager(true);
  return Step::kReady;
}

// More is needed, so nothing is wrong yet, unless it is too long already.
RequestParser::Step RequestParser::HeadTooLong(const char* begin, std::size_t size) {
  if (!have_start_line_) {
    const std::string_view line(begin, size);
    const std::size_t target = std::min(line.find(' '), line.size());
    const std::size_t end = std::min(line.find(' ', std::min(target + 1, size)), size);
    if (end - target > limits_.target_bytes_max + 1) {
      return Reject(414, "too_large",
                    "the request target has more than " + std::to_string(limits_.target_bytes_max) +
                        " bytes");
    }
  }
  if (size < limits_.header_bytes_max) return Step::kMore;
  return Reject(
      431, "too_large",
      "the request head has more than " + std::to_string(limits_.header_bytes_max) + " bytes");
}

RequestParser::Step RequestParser::LimitBody(std::size_t body_bytes_max) {
  body_bytes_max_ = body_bytes_max;
  if (chunked_) beast_->body_limit(body_bytes_max);
  if (content_length_ <= body_bytes_max) return Step::kReady;
  return Reject(413, "too_large",
                "the request body has more than " + std::to_string(body_bytes_max) + " bytes");
}

RequestParser::Step RequestParser::ParseBody(char* begin, std::size_t size) {
  if (begin != begin_) Rebase(begin);
  size_ = size;
  if (chunked_) return ParseChunks(begin, size);
  if (size - head_bytes_ < content_length_) return Step::kMore;
  request_.body = {begin + head_bytes_, static_cast<std::size_t>(content_length_)};
  wire_bytes_ = head_bytes_ + static_cast<std::size_t>(content_length_);
  return Step::kReady;
}

RequestParser::Step RequestParser::ParseChunks(char* begin, std::size_t size) {
  if (!beast_->is_done()) {
    // Beast 1.81 asserts that the last chunk comes as five bytes at least, which a peer decides.
    if (size - parsed_bytes_ < kLastChunkBytes) return Step::kMore;
    beast::error_code ec;
    parsed_bytes_ +=
        beast_->put(boost::asio::const_buffer(begin + parsed_bytes_, size - parsed_bytes_), ec);
    if (rejection_.status != 0) return Step::kRejected;
    if (ec == beast::http::error::body_limit) {
      return Reject(413, "too_large",
                    "the request body has more than " + std::to_string(body_bytes_max_) + " bytes");
    }
    if (ec && ec != beast::http::error::need_more) return RejectBeast(ec);
  }
  const std::size_t framing = parsed_bytes_ - head_bytes_ - body_bytes_;
  const std::size_t framing_max = limits_.header_bytes_max + kChunkFramingPerByte * body_bytes_;
  if (framing > framing_max ||
      (!beast_->is_done() && size - parsed_bytes_ > limits_.header_bytes_max)) {
    return Reject(431, "too_large", "chunk extensions or trailers are too long");
  }
  if (!beast_->is_done()) {
    // What Beast has left is framing: the bytes of a chunk it takes as they come.
    if (HasBareLf({begin + parsed_bytes_, size - parsed_bytes_})) {
      return Reject(400, "invalid", "malformed request: a line of a chunk ends in LF alone");
    }
    return Step::kMore;
  }
  request_.body = {begin + head_bytes_, body_bytes_};
  wire_bytes_ = parsed_bytes_;
  return Step::kReady;
}

RequestParser::Step RequestParser::Reject(int status, std::string_view code, std::string message) {
  rejection_ = {status, code, std::move(message)};
  return Step::kRejected;
}

RequestParser::Step RequestParser::RejectBeast(const beast::error_code& error) {
  return Reject(400, "invalid", "malformed request: " + error.message());
}

// The bytes moved: so do the views into them.
void RequestParser::Rebase(char* begin) {
  const auto move = [from = begin_, begin](std::string_view& view) {
    if (view.data() != nullptr) view = {begin + (view.data() - from), view.size()};
  };
  if (parsed_bytes_ > 0) {
    for (auto& [name, value] : request_.headers) move(name), move(value);
    for (std::string_view* view : {&request_.method_text, &request_.path, &request_.query,
                                   &request_.body, &host_, &authority_}) {
      move(*view);
    }
  }
  begin_ = begin;
}

void RequestParser::TakeTarget(std::string_view target) {
  if (target.find('#') != std::string_view::npos) {
    Reject(400, "invalid", "the request target has a fragment");
    return;
  }
  if (target.starts_with('/') || (target == "*" && request_.method == Method::kOptions)) {
    authority_ = {};
  } else {
    const std::size_t scheme = SameText(target.substr(0, 7), "http://")    ? 7
                               : SameText(target.substr(0, 8), "https://") ? 8
                                                                           : 0;
    const std::string_view rest = target.substr(scheme);
    authority_ = rest.substr(0, rest.find_first_of("/?"));
    if (scheme == 0 || authority_.empty() || !IsAuthority(authority_)) {
      Reject(400, "invalid", "the request target is neither a path nor an absolute URL");
      return;
    }
    target = rest.substr(authority_.size());
  }
  const std::size_t question = std::min(target.find('?'), target.size());
  request_.path = target.substr(0, question);
  if (request_.path.empty()) request_.path = "/";
  request_.query = target.substr(std::min(question + 1, target.size()));
}

// RFC 9112 section 5.2: a folded value would be read differently by those who do not unfold. Beast
// hands an unfolded one out of a buffer of its own, or from beyond a line end.
bool RequestParser::IsFolded(std::string_view name, std::string_view value) const {
  const char* const after_colon = name.data() + name.size() + 1;
  if (value.data() < after_colon || value.data() > begin_ + size_) return true;
  return std::memchr(after_colon, '\r', static_cast<std::size_t>(value.data() - after_colon)) !=
         nullptr;
}

void RequestParser::JudgeField(beast::http::field field, std::string_view name,
                               std::string_view value) {
  if (IsFolded(name, value)) {
    Reject(400, "invalid", "a header is folded over several lines");
    return;
  }
  const std::size_t count = head_ready_ ? ++trailers_ : request_.headers.size() + 1;
  if (count > limits_.headers_max) {
    Reject(431, "too_large",
           "the request has more than " + std::to_string(limits_.headers_max) + " headers");
    return;
  }
  if (head_ready_) return;  // trailers carry nothing that we act upon
  request_.headers.emplace_back(name, value);
  switch (field) {
    case beast::http::field::host:
      return JudgeHost(value);
    case beast::http::field::content_length:
      return JudgeContentLength(value);
    case beast::http::field::transfer_encoding:
      return JudgeTransferEncoding(value);
    case beast::http::field::expect:
      expects_continue_ = SameText(value, "100-continue");
      if (!expects_continue_) Reject(417, "unsupported", "only Expect: 100-continue is understood");
      return;
    default:
      return;
  }
}

void RequestParser::JudgeHost(std::string_view value) {
  if (have_host_) {
    Reject(400, "invalid", "more than one Host header");
  } else if (!IsAuthority(value)) {
    Reject(400, "invalid", "the Host header is malformed");
  }
  have_host_ = true;
  host_ = value;
}

void RequestParser::JudgeContentLength(std::string_view value) {
  const char* const end = value.data() + value.size();
  const auto parsed = std::from_chars(value.data(), end, content_length_);
  const bool digits =
      !value.empty() && value.front() != '-' && parsed.ptr == end && parsed.ec == std::errc();
  if (!digits) {
    Reject(400, "invalid", "Content-Length is no number");
  } else if (have_length_ || chunked_) {
    Reject(400, "invalid", "the length of the body is stated more than once");
  }
  have_length_ = true;
}

void RequestParser::JudgeTransferEncoding(std::string_view value) {
  if (!http11_) {
    Reject(400, "invalid", "HTTP/1.0 has no Transfer-Encoding");
  } else if (have_length_ || chunked_) {
    Reject(400, "invalid", "the length of the body is stated more than once");
  } else if (!SameText(value, "chunked")) {
    Reject(400, "invalid", "the only Transfer-Encoding understood is chunked");
  }
  chunked_ = true;
}

}  // namespace tributary::http
