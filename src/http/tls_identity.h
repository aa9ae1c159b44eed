// Who we are, and whom we trust, on the TLS connections of one destination (mTLS).
#pragma once

#include <string>

#include "base/result.h"

namespace tributary::http {

// PEM texts. A connection made with one identity is never used for a request with another.
struct TlsIdentity {
  std::string client_certificate;  // with its chain, the leaf first; empty: none is offered
  std::string client_key;          // of that certificate, not encrypted
  std::string ca;                  // trusted instead of the system's authorities; empty: those
  friend bool operator==(const TlsIdentity&, const TlsIdentity&) = default;
};

// kInvalid with the field "client_certificate", "client_key" or "ca": what is no PEM, a key that is
// encrypted or belongs to another certificate, one of the two without the other. The message reads
// on from the field's name and repeats nothing of the key.
Status CheckTlsIdentity(const TlsIdentity& identity);

// What a file of authorities must hold: certificates in PEM form, each of which can be read.
// kInvalid without a field; the message reads on from the option's name.
Status CheckCertificates(const std::string& pem);

}  // namespace tributary::http
