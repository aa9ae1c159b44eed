// TLS of outgoing requests (RELIABILITY.md C7): certificates made here, each wrong in one way. All
// that are bad are refused, each with its own reason; nothing of the request is sent to them.
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <fstream>

#include "http/client_kit_test.h"
#include "support/temp_dir.h"

namespace tributary::http {
namespace {

using test::ClientTest;
using test::Peer;

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

std::shared_ptr<EVP_PKEY> MakeKey(bool weak) {
  EVP_PKEY* key = weak ? EVP_RSA_gen(1024) : EVP_EC_gen("P-256");
  return {key, EVP_PKEY_free};
}

void AddExtension(X509* x509, X509* issuer, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, x509, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value);
  X509_add_ext(x509, extension, -1);
  X509_EXTENSION_free(extension);
}

// Signed by `issuer`, or by itself.
Certificate Make(const Wanted& wanted, const Certificate* issuer) {
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

std::string PemOf(const Certificate& certificate) {
  BIO* const bio = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(bio, certificate.x509.get());
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string text(data, static_cast<std::size_t>(size));
  BIO_free(bio);
  return text;
}
std::string KeyPemOf(const Certificate& certificate, const EVP_CIPHER* cipher = nullptr) {
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

struct TlsTest : ClientTest {
  TlsTest() : ClientTest({"127.0.0.1/32"}, WithCa()) {}

  static const Certificate& Ca() {
    static const Certificate ca =
        Make({.san = "", .common_name = "test CA", .is_ca = true}, nullptr);
    return ca;
  }
  static ClientOptions WithCa() {
    static const tributary::test::TempDir dir;
    const std::string path = dir / "ca.pem";
    FILE* const file = std::fopen(path.c_str(), "w");
    PEM_write_X509(file, Ca().x509.get());
    std::fclose(file);
    return {.ca_file = path};
  }

  ClientResponse AskPeer(const Certificate& certificate, const ServerOptions& options = {},
                         const std::string& host = "127.0.0.1",
                         std::shared_ptr<const TlsIdentity> identity = nullptr) {
    SSL_CTX* const context = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_security_level(context, 0);  // the bad ones must be able to offer what they have
    SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(context, options.version_max);
    if (options.ciphers) SSL_CTX_set_cipher_list(context, options.ciphers);
    SSL_CTX_use_certificate(context, certificate.x509.get());
    SSL_CTX_use_PrivateKey(context, certificate.key.get());
    if (options.asks_for_certificate) {
      SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
      X509_STORE_add_cert(SSL_CTX_get_cert_store(context), Ca().x509.get());
    }
    ClientResponse response;
    {
      Peer peer([&](int fd) {
        if (options.instead_of_handshake) return options.instead_of_handshake(fd);
        Serve(context, fd);
      });
      response = Ask({.url = "https://" + host + ":" + std::to_string(peer.port()) + "/",
                      .body = std::make_shared<std::string>("secret"),
                      .timeout_ns = 500 * kNanosPerMilli,
                      .tls = std::move(identity)});
    }
    SSL_CTX_free(context);
    return response;
  }

  void Serve(SSL_CTX* context, int fd) {
    SSL* const ssl = SSL_new(context);
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

  void ExpectRefused(const ClientResponse& response, const std::string& reason) {
    EXPECT_EQ(response.failure, Failure::kTls) << response.error;
    EXPECT_NE(response.error.find(reason), std::string::npos) << response.error;
    EXPECT_EQ(served, 0) << "the request was sent all the same";
  }

  std::atomic<int> served = 0;
};

TEST_F(TlsTest, GoodCertificatesAreAccepted) {
  const ServerOptions tls12{.version_max = TLS1_2_VERSION};
  EXPECT_EQ(AskPeer(Make({}, &Ca())).body, "ok");
  EXPECT_EQ(AskPeer(Make({}, &Ca()), tls12).body, "ok");
  EXPECT_EQ(AskPeer(Make({.san = "IP:127.0.0.1"}, &Ca())).body, "ok");
  EXPECT_EQ(AskPeer(Make({.san = "DNS:localhost"}, &Ca()), {}, "localhost").body, "ok");
}

TEST_F(TlsTest, Expired) {
  ExpectRefused(AskPeer(Make({.not_before_s = -7200, .not_after_s = -3600}, &Ca())), "expired");
}
TEST_F(TlsTest, NotYetValid) {
  ExpectRefused(AskPeer(Make({.not_before_s = 3600, .not_after_s = 7200}, &Ca())), "not yet valid");
}
TEST_F(TlsTest, WrongHost) {
  ExpectRefused(AskPeer(Make({.san = "DNS:other.example"}, &Ca())), "not for 127.0.0.1");
  ExpectRefused(AskPeer(Make({.san = "DNS:other.example"}, &Ca()), {}, "localhost"),
                "not for localhost");
}
TEST_F(TlsTest, WrongAddress) {
  ExpectRefused(AskPeer(Make({.san = "IP:127.0.0.2"}, &Ca())), "not for 127.0.0.1");
}
TEST_F(TlsTest, ANameIsNoAddress) {
  ExpectRefused(AskPeer(Make({.san = "DNS:127.0.0.1"}, &Ca())), "not for 127.0.0.1");
}
TEST_F(TlsTest, WildcardOfATopLevel) {
  ExpectRefused(AskPeer(Make({.san = "DNS:*"}, &Ca()), {}, "localhost"), "not for localhost");
}
TEST_F(TlsTest, SelfSigned) {
  ExpectRefused(AskPeer(Make({}, nullptr)), "self-signed");
}

TEST_F(TlsTest, UnknownAuthority) {
  const Certificate other = Make({.san = "", .common_name = "other CA", .is_ca = true}, nullptr);
  ExpectRefused(AskPeer(Make({}, &other)), "unable to get local issuer");
}
TEST_F(TlsTest, ImpostorWithTheNameOfTheAuthority) {
  const Certificate fake = Make({.san = "", .common_name = "test CA", .is_ca = true}, nullptr);
  ExpectRefused(AskPeer(Make({}, &fake)), "TLS: ");
}
TEST_F(TlsTest, IssuedByACertificateThatIsNoAuthority) {
  const Certificate leaf = Make({.common_name = "leaf"}, &Ca());
  ExpectRefused(AskPeer(Make({}, &leaf)), "unable to get");
}
TEST_F(TlsTest, WeakKey) {
  ExpectRefused(AskPeer(Make({.weak_key = true}, &Ca())), "key too weak");
}
TEST_F(TlsTest, WeakDigest) {
  ExpectRefused(AskPeer(Make({.digest = EVP_sha1()}, &Ca())), "digest algorithm too weak");
}
TEST_F(TlsTest, OldVersions) {
  ExpectRefused(AskPeer(Make({}, &Ca()), {.version_max = TLS1_VERSION}), "TLS: ");
  ExpectRefused(AskPeer(Make({}, &Ca()), {.version_max = TLS1_1_VERSION}), "TLS: ");
}
TEST_F(TlsTest, CiphersThatEncryptNothing) {
  ExpectRefused(AskPeer(Make({}, &Ca()), {.version_max = TLS1_2_VERSION, .ciphers = "eNULL"}),
                "TLS: ");
}
TEST_F(TlsTest, HandshakeCutOff) {
  const ServerOptions options{.instead_of_handshake = [](int fd) {
    char hello[512];
    ::recv(fd, hello, sizeof hello, 0);
    Peer::Write(fd, "\x16\x03\x03");
  }};
  ExpectRefused(AskPeer(Make({}, &Ca()), options), "TLS: ");
}
TEST_F(TlsTest, PlainTextInsteadOfAHandshake) {
  const ServerOptions options{.instead_of_handshake = [](int fd) {
    char hello[512];
    ::recv(fd, hello, sizeof hello, 0);
    Peer::Write(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  }};
  ExpectRefused(AskPeer(Make({}, &Ca()), options), "TLS: ");
}
TEST_F(TlsTest, HandshakeThatHangsEndsAtTheDeadline) {
  const ServerOptions options{.instead_of_handshake = [](int fd) { Peer::WaitForEnd(fd); }};
  const auto response = AskPeer(Make({}, &Ca()), options);
  EXPECT_EQ(response.failure, Failure::kTimeout) << response.error;
}

// ---- Certificates of our own, and authorities that one destination trusts ----

std::shared_ptr<const TlsIdentity> IdentityOf(const Certificate& certificate) {
  return std::make_shared<TlsIdentity>(
      TlsIdentity{.client_certificate = PemOf(certificate), .client_key = KeyPemOf(certificate)});
}

TEST_F(TlsTest, AReceiverThatAsksForACertificateGetsOurs) {
  const ServerOptions asks{.asks_for_certificate = true};
  const auto good = IdentityOf(Make({.common_name = "us"}, &Ca()));
  EXPECT_EQ(AskPeer(Make({}, &Ca()), asks, "127.0.0.1", good).body, "ok");
  served = 0;
  EXPECT_NE(AskPeer(Make({}, &Ca()), asks).failure, Failure::kNone);
  EXPECT_NE(AskPeer(Make({}, &Ca()), asks, "127.0.0.1", IdentityOf(Make({}, nullptr))).failure,
            Failure::kNone);
  EXPECT_EQ(served, 0);
}

TEST_F(TlsTest, ItsOwnAuthorityIsTrustedInsteadOfTheOthers) {
  const Certificate other = Make({.san = "", .common_name = "other CA", .is_ca = true}, nullptr);
  const auto only_other = std::make_shared<TlsIdentity>(TlsIdentity{.ca = PemOf(other)});
  EXPECT_EQ(AskPeer(Make({}, &other), {}, "127.0.0.1", only_other).body, "ok");
  served = 0;
  ExpectRefused(AskPeer(Make({}, &Ca()), {}, "127.0.0.1", only_other), "TLS: ");
  // The handle that carried it trusts the others again, and this one no more.
  EXPECT_EQ(AskPeer(Make({}, &Ca())).body, "ok");
  served = 0;
  ExpectRefused(AskPeer(Make({}, &other)), "TLS: ");
}

TEST(TlsIdentity, WhatCannotBeUsedIsNamed) {
  const Certificate one = Make({}, nullptr), two = Make({}, nullptr);
  const auto field = [](const TlsIdentity& identity) {
    const Status status = CheckTlsIdentity(identity);
    return status ? "accepted" : status.error().field();
  };
  const std::string certificate = PemOf(one), key = KeyPemOf(one);
  EXPECT_EQ(field({}), "accepted");
  EXPECT_EQ(field({.client_certificate = certificate, .client_key = key}), "accepted");
  EXPECT_EQ(field({.client_certificate = certificate + PemOf(two), .client_key = key}), "accepted");
  EXPECT_EQ(field({.client_certificate = certificate}), "client_key");
  EXPECT_EQ(field({.client_key = key}), "client_certificate");
  EXPECT_EQ(field({.client_certificate = key, .client_key = key}), "client_certificate");
  EXPECT_EQ(field({.client_certificate = certificate, .client_key = certificate}), "client_key");
  EXPECT_EQ(field({.client_certificate = certificate, .client_key = KeyPemOf(two)}), "client_key");
  EXPECT_EQ(
      field({.client_certificate = certificate, .client_key = KeyPemOf(one, EVP_aes_128_cbc())}),
      "client_key");
  EXPECT_EQ(field({.ca = certificate + PemOf(two)}), "accepted");
  EXPECT_EQ(field({.ca = "text"}), "ca");
  std::string broken = PemOf(two);
  broken[broken.size() / 2] = '!';
  EXPECT_EQ(field({.ca = certificate + broken}), "ca");
}

}  // namespace
}  // namespace tributary::http
