// One request on its way through libcurl: an easy handle with its options set once, its callbacks,
// and what has been read of the answer. Used again for request after request.
//
// One thread. Nothing that the request holds is copied for curl: body and header text stay here
// until the transfer ends.
#pragma once

#include <curl/curl.h>

#include <string>
#include <vector>

#include "http/client.h"
#include "http/curl_driver.h"

namespace tributary::http {

class CurlTransfer {
 public:
  CurlTransfer(CurlDriver& driver, const EgressGuard& guard, const ClientOptions& options);
  ~CurlTransfer();
  CurlTransfer(const CurlTransfer&) = delete;
  CurlTransfer& operator=(const CurlTransfer&) = delete;

  // False: a header cannot be sent (a control character in it).
  bool Prepare(ClientRequest request, std::string host, bool https);
  // The answer, or why there is none.
  ClientResponse Finish(CURLcode result);
  void Forget();  // what the request held

  CURL* easy() { return easy_; }
  const std::string& host() const { return host_; }

  // Bookkeeping of the client.
  Client::Done done;
  std::uint32_t generation = 0;
  std::uint32_t index = 0;
  bool active = false;
  bool in_curl = false;
  MonoNanos started_ns = 0;
  MonoNanos deadline_ns = 0;

 private:
  static std::size_t OnHeader(char* data, std::size_t size, std::size_t n, void* self);
  static std::size_t OnBody(char* data, std::size_t size, std::size_t n, void* self);
  static curl_socket_t OnOpenSocket(void* self, curlsocktype, curl_sockaddr* address);

  void SetFixedOptions(const ClientOptions& options);
  void SetMethod();
  void SetTls();
  bool SetHeaders();
  bool TakeHeaderLine(std::string_view line);
  Failure Classify(CURLcode result) const;
  std::string TlsReason(CURLcode result) const;
  std::string Sentence(Failure failure, CURLcode result) const;

  CurlDriver& driver_;
  const EgressGuard& guard_;
  CURL* easy_;
  std::string host_;
  ClientRequest request_;
  std::shared_ptr<const TlsIdentity> tls_;  // what easy_ is set to
  ClientResponse response_;
  std::vector<std::string> header_lines_;  // reused: their capacity stays
  std::vector<curl_slist> header_nodes_;   // the list that curl reads
  std::size_t headers_seen_ = 0;
  std::size_t header_bytes_seen_ = 0;
  std::size_t header_bytes_kept_ = 0;
  bool head_whole_ = false;  // its empty line has come
  bool cut_ = false;         // enough of the body has been read
  bool headers_endless_ = false;
  std::string blocked_;               // the guard's sentence, when it refused an address
  bool connected_elsewhere_ = false;  // …and another address was allowed
};

}  // namespace tributary::http
