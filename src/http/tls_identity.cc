#include "http/tls_identity.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <memory>

#include "base/check.h"

namespace tributary::http {
namespace {

using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;
using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

std::unexpected<Error> Wrong(const char* field, const char* why) {
  ERR_clear_error();  // what OpenSSL noted is said here; the next call is another's
  return Fail(ErrorCode::kInvalid, field, why);
}

Bio Reading(const std::string& text) {
  Bio bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), BIO_free);
  CHECK(bio != nullptr);
  return bio;
}

// The first certificate; every one that follows must be readable too.
Result<Certificate> ReadCertificates(const char* field, const std::string& text) {
  const Bio bio = Reading(text);
  Certificate first(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), X509_free);
  if (first == nullptr) return Wrong(field, "must be a certificate in PEM form");
  while (true) {
    const Certificate next(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), X509_free);
    if (next != nullptr) continue;
    if (ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE) break;
    return Wrong(field, "has a certificate that cannot be read");
  }
  ERR_clear_error();
  return first;
}

// Nobody is there to type a password.
int NoPassword(char*, int, int, void*) {
  return -1;
}

Result<Key> ReadKey(const std::string& text) {
  if (text.find("ENCRYPTED") != std::string::npos) {
    return Wrong("client_key", "must not be encrypted");
  }
  const Bio bio = Reading(text);
  Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, NoPassword, nullptr), EVP_PKEY_free);
  if (key == nullptr) return Wrong("client_key", "must be a private key in PEM form");
  return key;
}

}  // namespace

Status CheckCertificates(const std::string& pem) {
  TRY(ReadCertificates("", pem));
  return {};
}

Status CheckTlsIdentity(const TlsIdentity& identity) {
  if (!identity.ca.empty()) TRY(ReadCertificates("ca", identity.ca));
  const bool certificate = !identity.client_certificate.empty();
  if (certificate && identity.client_key.empty()) {
    return Wrong("client_key", "is needed with client_certificate");
  }
  if (!certificate && !identity.client_key.empty()) {
    return Wrong("client_certificate", "is needed with client_key");
  }
  if (!certificate) return {};
  TRY_ASSIGN(const Certificate leaf,
             ReadCertificates("client_certificate", identity.client_certificate));
  TRY_ASSIGN(const Key key, ReadKey(identity.client_key));
  if (X509_check_private_key(leaf.get(), key.get()) == 1) return {};
  return Wrong("client_key", "belongs to another certificate");
}

}  // namespace tributary::http
