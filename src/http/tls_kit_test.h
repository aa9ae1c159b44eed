// For tests of TLS: certificates made here, peers that offer them, and the ways they can be wrong.
#pragma once

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "http/client_kit_test.h"
#include "support/temp_dir.h"

namespace tributary::http::test {

struct Certificate {
  std::shared_ptr<X509> x509;
  std::shared_ptr<EVP_PKEY> key;
};

struct Wanted {
  const char* san = "IP:127.0.0.1,DNS:localhost";
  const char* common_name = "test";
  long not_before_s = -3600;
  long not_after_s = 3600;
  bool is_ca = false;
  bool weak_key = false;
  const EVP_MD* digest = EVP_sha256();
};

inline std::shared_ptr<EVP_PKEY> MakeKey(bool weak) {
  EVP_PKEY* key = weak ? EVP_RSA_gen(1024) : EVP_EC_gen("P-256");
  return {key, EVP_PKEY_free};
}

inline void AddExtension(X509* x509, X509* issuer, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, x509, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value);
  X509_add_ext(x509, extension, -1);
  X509_EXTENSION_free(extension);
}

// Signed by `issuer`, or by itself.
inline Certificate Make(const Wanted& wanted, const Certificate* issuer) {
  static long serial = 1;
  Certificate made{{X509_new(), X509_free}, MakeKey(wanted.weak_key)};
  X509* const x = made.x509.get();
  X509_set_version(x, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(x), serial++);
  X509_gmtime_adj(X509_getm_notBefore(x), wanted.not_before_s);
  X509_gmtime_adj(X509_getm_notAfter(x), wanted.not_after_s);
  X509_set_pubkey(x, made.key.get());
  X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(wanted.common_name), -1, -1, 0);
  X509* const by = issuer ? issuer->x509.get() : x;
  X509_set_issuer_name(x, X509_get_subject_name(by));
  AddExtension(x, by, NID_basic_constraints, wanted.is_ca ? "critical,CA:TRUE" : "CA:FALSE");
  if (*wanted.san) AddExtension(x, by, NID_subject_alt_name, wanted.san);
  X509_sign(x, issuer ? issuer->key.get() : made.key.get(), wanted.digest);
  return made;
}

struct ServerOptions {
  int version_max = TLS1_3_VERSION;
  const char* ciphers = nullptr;
  std::function<void(int fd)> instead_of_handshake;
  bool asks_for_certificate = false;
};

inline std::string PemOf(const Certificate& certificate) {
  BIO* const bio = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(bio, certificate.x509.get());
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string text(data, static_cast<std::size_t>(size));
  BIO_free(bio);
  return text;
}
inline std::string KeyPemOf(const Certificate& certificate, const EVP_CIPHER* cipher = nullptr) {
  BIO* const bio = BIO_new(BIO_s_mem());
  char password[] = "password";
  PEM_write_bio_PrivateKey(bio, certificate.key.get(), cipher, nullptr, 0, nullptr,
                           cipher == nullptr ? nullptr : password);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string text(data, static_cast<std::size_t>(size));
  BIO_free(bio);
  return text;
}

// The authority that tests trust, and where its certificate is.
inline const Certificate& TestCa() {
  static const Certificate ca = Make({.san = "", .common_name = "test CA", .is_ca = true}, nullptr);
  return ca;
}
inline std::string TestCaFile() {
  static const tributary::test::TempDir dir;
  const std::string path = dir / "ca.pem";
  FILE* const file = std::fopen(path.c_str(), "w");
  PEM_write_X509(file, TestCa().x509.get());
  std::fclose(file);
  return path;
}

// Answers every request 200 "ok", if the client goes on after seeing the certificate.
class TlsPeer {
 public:
  TlsPeer(const Certificate& certificate, const ServerOptions& options)
      : context_(ContextOf(certificate, options), SSL_CTX_free), peer_([this, options](int fd) {
          if (options.instead_of_handshake) return options.instead_of_handshake(fd);
          Serve(fd);
        }) {}
  std::uint16_t port() const { return peer_.port(); }
  std::atomic<int> served = 0;  // requests that were sent

 private:
  static SSL_CTX* ContextOf(const Certificate& certificate, const ServerOptions& options) {
    SSL_CTX* const context = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_security_level(context, 0);  // the bad ones must be able to offer what they have
    SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(context, options.version_max);
    if (options.ciphers) SSL_CTX_set_cipher_list(context, options.ciphers);
    SSL_CTX_use_certificate(context, certificate.x509.get());
    SSL_CTX_use_PrivateKey(context, certificate.key.get());
    if (options.asks_for_certificate) {
      SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
      X509_STORE_add_cert(SSL_CTX_get_cert_store(context), TestCa().x509.get());
    }
    return context;
  }
  void Serve(int fd) {
    SSL* const ssl = SSL_new(context_.get());
    SSL_set_fd(ssl, fd);
    char request[4096];
    if (SSL_accept(ssl) == 1 && SSL_read(ssl, request, sizeof request) > 0) {
      ++served;
      constexpr std::string_view kAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
      SSL_write(ssl, kAnswer.data(), static_cast<int>(kAnswer.size()));
      SSL_shutdown(ssl);
    }
    SSL_free(ssl);
    ERR_clear_error();
  }
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context_;
  Peer peer_;  // its threads end first
};

// Everything that must be refused before a byte of the request is sent.
struct BadTls {
  const char* name;
  Certificate certificate;
  ServerOptions options = {};
  const char* host = "127.0.0.1";
};
inline std::vector<BadTls> BadTlsKinds() {
  const Certificate other = Make({.san = "", .common_name = "other CA", .is_ca = true}, nullptr);
  const Certificate fake = Make({.san = "", .common_name = "test CA", .is_ca = true}, nullptr);
  const Certificate leaf = Make({.common_name = "leaf"}, &TestCa());
  const Certificate good = Make({}, &TestCa());
  const auto garbage = [](const char* bytes) {
    return ServerOptions{.instead_of_handshake = [bytes](int fd) {
      char hello[512];
      ::recv(fd, hello, sizeof hello, 0);
      Peer::Write(fd, bytes);
    }};
  };
  return {{"expired", Make({.not_before_s = -7200, .not_after_s = -3600}, &TestCa())},
          {"not yet valid", Make({.not_before_s = 3600, .not_after_s = 7200}, &TestCa())},
          {"another host", Make({.san = "DNS:other.example"}, &TestCa())},
          {"another address", Make({.san = "IP:127.0.0.2"}, &TestCa())},
          {"a name for an address", Make({.san = "DNS:127.0.0.1"}, &TestCa())},
          {"a wildcard of a top level", Make({.san = "DNS:*"}, &TestCa()), {}, "localhost"},
          {"self-signed", Make({}, nullptr)},
          {"an unknown authority", Make({}, &other)},
          {"an impostor of the authority", Make({}, &fake)},
          {"issued by no authority", Make({}, &leaf)},
          {"a weak key", Make({.weak_key = true}, &TestCa())},
          {"a weak digest", Make({.digest = EVP_sha1()}, &TestCa())},
          {"TLS 1.0", good, {.version_max = TLS1_VERSION}},
          {"TLS 1.1", good, {.version_max = TLS1_1_VERSION}},
          {"no encryption", good, {.version_max = TLS1_2_VERSION, .ciphers = "eNULL"}},
          {"a handshake cut off", good, garbage("\x16\x03\x03")},
          {"plain text", good, garbage("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")}};
}

}  // namespace tributary::http::test
