#include "http/curl_transfer.h"

#include <netinet/in.h>
#include <openssl/x509_vfy.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <cerrno>
#include <cstring>

#include "base/check.h"

namespace tributary::http {
namespace {

// What is kept of an answer's head, and where reading it is given up (RELIABILITY.md C3).
constexpr std::size_t kHeadersKept = 100;
constexpr std::size_t kHeaderBytesKept = 16 * 1024;
constexpr std::size_t kHeadersSeenMax = 1000;
constexpr std::size_t kHeaderBytesSeenMax = 256 * 1024;
constexpr long kDnsCacheSeconds = 60;
constexpr long kIdleConnectionSeconds = 60;

bool SameName(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

bool HasControl(std::string_view text) {
  return std::ranges::any_of(text, [](char c) {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7F;
  });
}

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const std::size_t from = text.find_first_not_of(kBlank);
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(kBlank) - from + 1);
}

std::string AddressText(const curl_sockaddr& address) {
  namespace ip = boost::asio::ip;
  if (address.family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, &address.addr, sizeof v4);
    return ip::address_v4(ntohl(v4.sin_addr.s_addr)).to_string();
  }
  sockaddr_in6 v6;
  std::memcpy(&v6, &address.addr, sizeof v6);
  ip::address_v6::bytes_type bytes;
  std::memcpy(bytes.data(), &v6.sin6_addr, bytes.size());
  return ip::address_v6(bytes).to_string();
}

}  // namespace

CurlTransfer::CurlTransfer(CurlDriver& driver, const EgressGuard& guard,
                           const ClientOptions& options)
    : driver_(driver), guard_(guard), easy_(curl_easy_init()) {
  CHECK(easy_ != nullptr);
  SetFixedOptions(options);
}

CurlTransfer::~CurlTransfer() {
  curl_easy_cleanup(easy_);
}

// Set once: they hold for every request that this handle will carry.
void CurlTransfer::SetFixedOptions(const ClientOptions& options) {
  const auto set = [this](CURLoption option, auto value) {
    CHECK(curl_easy_setopt(easy_, option, value) == CURLE_OK);
  };
  set(CURLOPT_PRIVATE, this);
  set(CURLOPT_NOSIGNAL, 1L);
  // A look-up that hangs is left behind rather than waited for: the loop must not stand still.
  set(CURLOPT_QUICK_EXIT, 1L);
  set(CURLOPT_FOLLOWLOCATION, 0L);
  set(CURLOPT_PROXY, "");  // not even the environment's
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  set(CURLOPT_TCP_NODELAY, 1L);
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
  set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  set(CURLOPT_SSL_VERIFYPEER, 1L);
  set(CURLOPT_SSL_VERIFYHOST, 2L);
  if (!options.ca_file.empty()) set(CURLOPT_CAINFO, options.ca_file.c_str());
  set(CURLOPT_USERAGENT, options.user_agent.c_str());
  set(CURLOPT_DNS_CACHE_TIMEOUT, kDnsCacheSeconds);
  set(CURLOPT_MAXAGE_CONN, kIdleConnectionSeconds);
  set(CURLOPT_HEADERFUNCTION, &OnHeader);
  set(CURLOPT_HEADERDATA, this);
  set(CURLOPT_WRITEFUNCTION, &OnBody);
  set(CURLOPT_WRITEDATA, this);
  set(CURLOPT_OPENSOCKETFUNCTION, &OnOpenSocket);
  set(CURLOPT_OPENSOCKETDATA, this);
  set(CURLOPT_CLOSESOCKETFUNCTION, &CurlDriver::CloseSocket);
  set(CURLOPT_CLOSESOCKETDATA, &driver_);
}

bool CurlTransfer::Prepare(ClientRequest request, std::string host, bool https) {
  request_ = std::move(request);
  host_ = std::move(host);
  response_ = {};
  headers_seen_ = header_bytes_seen_ = header_bytes_kept_ = 0;
  head_whole_ = cut_ = headers_endless_ = connected_elsewhere_ = false;
  blocked_.clear();
  if (!SetHeaders()) return false;
  curl_easy_setopt(easy_, CURLOPT_URL, request_.url.c_str());
  SetMethod();
  SetTls();
  const long timeout_ms = std::max<long>(
      1, static_cast<long>((request_.timeout_ns + kNanosPerMilli - 1) / kNanosPerMilli));
  curl_easy_setopt(easy_, CURLOPT_TIMEOUT_MS, timeout_ms);
  curl_easy_setopt(easy_, CURLOPT_CONNECTTIMEOUT_MS, timeout_ms);
  // Over TLS the first connection may turn out to carry many requests at once: wait and see.
  curl_easy_setopt(easy_, CURLOPT_PIPEWAIT, https ? 1L : 0L);
  return true;
}

void CurlTransfer::SetMethod() {
  const bool get = request_.method == "GET", head = request_.method == "HEAD";
  if (head) {
    curl_easy_setopt(easy_, CURLOPT_NOBODY, 1L);
  } else if (get && !request_.body) {
    curl_easy_setopt(easy_, CURLOPT_HTTPGET, 1L);
  } else {
    static const std::string kEmpty;
    const std::string& body = request_.body ? *request_.body : kEmpty;
    curl_easy_setopt(easy_, CURLOPT_POST, 1L);
    curl_easy_setopt(easy_, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
    curl_easy_setopt(easy_, CURLOPT_POSTFIELDS, body.data());  // read from where it is
  }
  const bool plain = head || (get && !request_.body) || request_.method == "POST";
  curl_easy_setopt(easy_, CURLOPT_CUSTOMREQUEST, plain ? nullptr : request_.method.c_str());
}

// Curl compares these when it looks for a connection to use again.
void CurlTransfer::SetTls() {
  if (request_.tls == tls_) return;
  tls_ = request_.tls;
  const auto set = [this](CURLoption option, const std::string& text) {
    if (text.empty()) {
      curl_easy_setopt(easy_, option, nullptr);
      return;
    }
    curl_blob blob{const_cast<char*>(text.data()), text.size(), CURL_BLOB_COPY};
    CHECK(curl_easy_setopt(easy_, option, &blob) == CURLE_OK);
  };
  static const TlsIdentity kNone;
  const TlsIdentity& identity = tls_ ? *tls_ : kNone;
  set(CURLOPT_SSLCERT_BLOB, identity.client_certificate);
  set(CURLOPT_SSLKEY_BLOB, identity.client_key);
  set(CURLOPT_CAINFO_BLOB, identity.ca);
  // The blob takes the place of the system's file, but not of its directory.
  static const char* const kSystemPath = curl_version_info(CURLVERSION_NOW)->capath;
  curl_easy_setopt(easy_, CURLOPT_CAPATH, identity.ca.empty() ? kSystemPath : nullptr);
}

bool CurlTransfer::SetHeaders() {
  if (HasControl(request_.method)) return false;
  // `Expect` would cost a round trip; a type that nobody stated must not be invented.
  std::size_t count = 0;
  const auto next = [&]() -> std::string& {
    if (count == header_lines_.size()) header_lines_.emplace_back();
    std::string& line = header_lines_[count++];
    line.clear();
    return line;
  };
  next() = "Expect:";
  bool has_type = false;
  for (const auto& [name, value] : request_.headers) {
    if (name.empty() || HasControl(name) || HasControl(value)) return false;
    if (SameName(name, "Content-Length") || SameName(name, "Transfer-Encoding")) continue;
    has_type |= SameName(name, "Content-Type");
    std::string& line = next();
    line.append(name).append(value.empty() ? ";" : ": ").append(value);  // ';': present but empty
  }
  if (!has_type) next() = "Content-Type:";
  header_nodes_.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    header_nodes_[i] = {header_lines_[i].data(), i + 1 < count ? &header_nodes_[i + 1] : nullptr};
  }
  curl_easy_setopt(easy_, CURLOPT_HTTPHEADER, header_nodes_.data());
  return true;
}

void CurlTransfer::Forget() {
  request_ = {};
  response_ = {};
  done = nullptr;
}

// ---- Callbacks ----------------------------------------------------------------------------------

curl_socket_t CurlTransfer::OnOpenSocket(void* self, curlsocktype, curl_sockaddr* address) {
  auto* const transfer = static_cast<CurlTransfer*>(self);
  const std::string text = AddressText(*address);
  const Status status = transfer->guard_.JudgeAddress(text, transfer->host_);
  if (!status) {
    transfer->blocked_ = status.error().message();
    return CURL_SOCKET_BAD;
  }
  transfer->connected_elsewhere_ = true;
  return transfer->driver_.OpenSocket(address->family);
}

std::size_t CurlTransfer::OnHeader(char* data, std::size_t size, std::size_t n, void* self) {
  auto* const transfer = static_cast<CurlTransfer*>(self);
  return transfer->TakeHeaderLine({data, size * n}) ? size * n : 0;
}

bool CurlTransfer::TakeHeaderLine(std::string_view line) {
  // Counted over interim answers too: an endless row of `100 Continue` is an endless head.
  header_bytes_seen_ += line.size();
  if (++headers_seen_ > kHeadersSeenMax || header_bytes_seen_ > kHeaderBytesSeenMax) {
    headers_endless_ = true;
    return false;
  }
  if (line.starts_with("HTTP/")) {
    response_.headers.clear();
    header_bytes_kept_ = 0;
    head_whole_ = false;
    return true;
  }
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) {
    head_whole_ |= Trim(line).empty();
    return true;
  }
  header_bytes_kept_ += line.size();
  if (response_.headers.size() < kHeadersKept && header_bytes_kept_ <= kHeaderBytesKept) {
    response_.headers.emplace_back(line.substr(0, colon), Trim(line.substr(colon + 1)));
  }
  return true;
}

std::size_t CurlTransfer::OnBody(char* data, std::size_t size, std::size_t n, void* self) {
  auto* const transfer = static_cast<CurlTransfer*>(self);
  if (transfer->request_.on_piece) {
    long status = 0;
    curl_easy_getinfo(transfer->easy_, CURLINFO_RESPONSE_CODE, &status);
    if (status / 100 == 2) {
      return transfer->request_.on_piece(std::string_view(data, size * n)) ? size * n : 0;
    }
  }
  std::string& body = transfer->response_.body;
  const std::size_t room = transfer->request_.response_bytes_max - body.size();
  body.append(data, std::min(room, size * n));
  if (size * n <= room) return size * n;
  transfer->cut_ = true;
  return 0;  // ends the transfer: the rest is not read, the connection not used again
}

// ---- The end ------------------------------------------------------------------------------------

ClientResponse CurlTransfer::Finish(CURLcode result) {
  // Curl takes a head that the peer cut off for an answer; a 2xx that we did not see to its end is
  // no acknowledgement.
  if (result == CURLE_OK && !head_whole_) result = CURLE_RECV_ERROR;
  const bool answered = result == CURLE_OK || (result == CURLE_WRITE_ERROR && cut_);
  if (!answered) {
    ClientResponse response;
    response.failure = Classify(result);
    response.error = Sentence(response.failure, result);
    return response;
  }
  long status = 0;
  curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &status);
  response_.status = static_cast<int>(status);
  return std::move(response_);
}

Failure CurlTransfer::Classify(CURLcode result) const {
  switch (result) {
    case CURLE_OPERATION_TIMEDOUT:
      return Failure::kTimeout;
    case CURLE_COULDNT_RESOLVE_HOST:
      return Failure::kNotFound;
    case CURLE_URL_MALFORMAT:
      return Failure::kInvalidUrl;
    case CURLE_COULDNT_CONNECT: {
      if (!blocked_.empty() && !connected_elsewhere_) return Failure::kBlocked;
      long os_errno = 0;
      curl_easy_getinfo(easy_, CURLINFO_OS_ERRNO, &os_errno);
      if (os_errno == ECONNRESET) return Failure::kReset;
      return os_errno == ETIMEDOUT ? Failure::kTimeout : Failure::kRefused;
    }
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
      return Failure::kTls;
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL:  // what came is no HTTP/1.x
    case CURLE_BAD_CONTENT_ENCODING:
    case CURLE_WRITE_ERROR:
      return Failure::kReset;  // an endless head
    default:
      return Failure::kOther;
  }
}

std::string CurlTransfer::Sentence(Failure failure, CURLcode result) const {
  switch (failure) {
    case Failure::kTimeout:
      return "no complete answer in time";
    case Failure::kRefused:
      return "no connection could be made";
    case Failure::kReset:
      return headers_endless_ ? "the answer's head has no end"
                              : "the connection broke, or what came is no HTTP answer";
    case Failure::kNotFound:
      return "the name " + host_ + " does not resolve";
    case Failure::kTls:
      return TlsReason(result);
    case Failure::kBlocked:
      return blocked_;
    case Failure::kInvalidUrl:
      return "the URL cannot be used";
    case Failure::kNone:
    case Failure::kOther:
      break;
  }
  return curl_easy_strerror(result);
}

std::string CurlTransfer::TlsReason(CURLcode result) const {
  if (result != CURLE_PEER_FAILED_VERIFICATION) {
    return std::string("TLS: ") + curl_easy_strerror(result);
  }
  long verdict = X509_V_OK;
  curl_easy_getinfo(easy_, CURLINFO_SSL_VERIFYRESULT, &verdict);
  // The name is compared before curl notes a verdict on the chain.
  if (verdict == X509_V_OK || verdict == X509_V_ERR_UNSPECIFIED) {
    return "TLS: the certificate is not for " + host_;
  }
  return std::string("TLS: ") + X509_verify_cert_error_string(verdict);
}

}  // namespace tributary::http
