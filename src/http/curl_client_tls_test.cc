// TLS of outgoing requests (RELIABILITY.md C7): certificates made here, each wrong in one way. All
// that are bad are refused, each with its own reason; nothing of the request is sent to them.
#include "http/tls_kit_test.h"

namespace tributary::http {
namespace {

using test::Certificate;
using test::ClientTest;
using test::KeyPemOf;
using test::Make;
using test::Peer;
using test::PemOf;
using test::ServerOptions;

struct TlsTest : ClientTest {
  TlsTest() : ClientTest({"127.0.0.1/32"}, {.ca_file = test::TestCaFile()}) {}

  static const Certificate& Ca() { return test::TestCa(); }

  ClientResponse AskPeer(const Certificate& certificate, const ServerOptions& options = {},
                         const std::string& host = "127.0.0.1",
                         std::shared_ptr<const TlsIdentity> identity = nullptr) {
    test::TlsPeer peer(certificate, options);
    ClientResponse response =
        Ask({.url = "https://" + host + ":" + std::to_string(peer.port()) + "/",
             .body = std::make_shared<std::string>("secret"),
             .timeout_ns = 500 * kNanosPerMilli,
             .tls = std::move(identity)});
    served += peer.served;
    return response;
  }

  void ExpectRefused(const ClientResponse& response, const std::string& reason) {
    EXPECT_EQ(response.failure, Failure::kTls) << response.error;
    EXPECT_NE(response.error.find(reason), std::string::npos) << response.error;
    EXPECT_EQ(served, 0) << "the request was sent all the same";
  }

  int served = 0;
};

TEST_F(TlsTest, GoodCertificatesAreAccepted) {
  const ServerOptions tls12{.version_max = TLS1_2_VERSION};
  EXPECT_EQ(AskPeer(Make({}, &Ca())).body, "ok");
  EXPECT_EQ(AskPeer(Make({}, &Ca()), tls12).body, "ok");
  EXPECT_EQ(AskPeer(Make({.san = "IP:127.0.0.1"}, &Ca())).body, "ok");
  EXPECT_EQ(AskPeer(Make({.san = "DNS:localhost"}, &Ca()), {}, "localhost").body, "ok");
}

TEST_F(TlsTest, NoBadKindIsSentAnything) {
  for (const test::BadTls& bad : test::BadTlsKinds()) {
    const ClientResponse response = AskPeer(bad.certificate, bad.options, bad.host);
    EXPECT_EQ(response.failure, Failure::kTls) << bad.name << ": " << response.error;
    EXPECT_EQ(served, 0) << bad.name;
  }
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
