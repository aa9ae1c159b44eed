// Signatures of Standard Webhooks: the published vector, tampering, rotation, both kinds of keys.
#include "codec/standard_webhooks.h"

#include <gtest/gtest.h>

#include "codec/base64.h"

namespace tributary::codec {
namespace {

// downstream-dispatch.md section 4: computed with two independent libraries.
constexpr const char* kSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
constexpr const char* kId = "msg_p5jXN8AQM9LWM0D4loKWxJek";
constexpr std::int64_t kAt = 1614265330;
constexpr UnixMicros kAtMicros = kAt * kMicrosPerSecond;
constexpr const char* kAtText = "1614265330";
constexpr const char* kBody = "{\"test\": 2432232314}";
constexpr const char* kSignature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

WebhookSigner SignerOf(std::vector<WebhookSecret> secrets) {
  return WebhookSigner::Make(secrets).value();
}
bool Accepts(const std::string& key, std::string_view signatures, std::string_view body = kBody,
             std::int64_t now = kAt) {
  return WebhookVerifier::Make({key})
      .value()
      .Verify(kId, kAtText, signatures, body, now)
      .has_value();
}

TEST(StandardWebhooks, KnowsThePublishedVector) {
  EXPECT_EQ(SignerOf({{kSecret}}).Sign(kId, kAtMicros + 999'999, kBody), kSignature);
  EXPECT_TRUE(Accepts(kSecret, kSignature));
}
TEST(StandardWebhooks, ToleranceIsFiveMinutesBothWays) {
  EXPECT_TRUE(Accepts(kSecret, kSignature, kBody, kAt + 300));
  EXPECT_FALSE(Accepts(kSecret, kSignature, kBody, kAt + 301));
  EXPECT_TRUE(Accepts(kSecret, kSignature, kBody, kAt - 300));
  EXPECT_FALSE(Accepts(kSecret, kSignature, kBody, kAt - 301));
}
TEST(StandardWebhooks, WhateverWasTamperedWithIsRefused) {
  auto verifier = WebhookVerifier::Make({kSecret});
  EXPECT_FALSE(verifier->Verify("msg_other", kAtText, kSignature, kBody, kAt));
  EXPECT_FALSE(verifier->Verify(kId, "1614265331", kSignature, kBody, kAt));
  EXPECT_FALSE(Accepts(kSecret, kSignature, "{\"test\": 2432232315}"));
  EXPECT_FALSE(Accepts(kSecret, ""));
  EXPECT_FALSE(Accepts(kSecret, std::string("v2") + (kSignature + 2)));
  for (const char* time : {"", "x", "1614265330 ", "-1", "99999999999999999999"}) {
    EXPECT_FALSE(verifier->Verify(kId, time, kSignature, kBody, kAt)) << time;
  }
}
TEST(StandardWebhooks, RotationSignsWithBothAndAcceptsEither) {
  const std::string fresh = FormatWebhookSecret(std::string(32, 'n'));
  const std::string signatures = SignerOf({{fresh}, {kSecret}}).Sign(kId, kAtMicros, kBody);
  EXPECT_TRUE(signatures.ends_with(std::string(" ") + kSignature));
  EXPECT_TRUE(Accepts(kSecret, signatures));
  EXPECT_TRUE(Accepts(fresh, "v9,zzz " + signatures));
  EXPECT_FALSE(Accepts(fresh, kSignature));
}
TEST(StandardWebhooks, AnOldSecretSignsUntilItsTimeAndNotAtIt) {
  const std::string fresh = FormatWebhookSecret(std::string(32, 'n'));
  auto signer = SignerOf({{fresh}, {kSecret, kAtMicros}});
  EXPECT_TRUE(signer.Sign(kId, kAtMicros - 1, kBody).find(' ') != std::string::npos);
  EXPECT_FALSE(Accepts(kSecret, signer.Sign(kId, kAtMicros, kBody)));
  EXPECT_TRUE(Accepts(fresh, signer.Sign(kId, kAtMicros, kBody)));
  EXPECT_EQ(SignerOf({{kSecret, kAtMicros}}).Sign(kId, kAtMicros, kBody), "");
}
TEST(StandardWebhooks, SecretsHaveTwentyFourToSixtyFourBytes) {
  const auto make = [](std::size_t size) {
    return WebhookSigner::Make({{FormatWebhookSecret(std::string(size, 's'))}}).has_value();
  };
  EXPECT_FALSE(make(23));
  EXPECT_TRUE(make(24));
  EXPECT_TRUE(make(64));
  EXPECT_FALSE(make(65));
  EXPECT_FALSE(WebhookSigner::Make({}));
  EXPECT_FALSE(WebhookSigner::Make({{"plain"}}));
  const auto bad = WebhookSigner::Make({{"whsec_secret*value"}});
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().ToString().find("secret*value"), std::string::npos);
  EXPECT_TRUE(WebhookSigner::Make(std::vector<WebhookSecret>(11, {kSecret})));
  EXPECT_FALSE(WebhookSigner::Make(std::vector<WebhookSecret>(12, {kSecret})));
}

// RFC 8032, section 7.1, test 1.
const std::string kSeed =
    "\x9d\x61\xb1\x9d\xef\xfd\x5a\x60\xba\x84\x4a\xf4\x92\xec\x2c\xc4\x44\x49\xc5\x69\x7b"
    "\x32\x69\x19\x70\x3b\xac\x03\x1c\xae\x7f\x60";
const std::string kPublic =
    "\xd7\x5a\x98\x01\x82\xb1\x0a\xb7\xd5\x4b\xfe\xd3\xc9\x64\x07\x3a\x0e\xe1\x72\xf3\xda"
    "\xa6\x23\x25\xaf\x02\x1a\x68\xf7\x07\x51\x1a";

TEST(Ed25519, KnowsTheVectorOfRfc8032) {
  const Ed25519Key key = Ed25519Key::FromPrivate(kSeed).value();
  EXPECT_EQ(key.public_bytes(), kPublic);
  EXPECT_EQ(
      Base64Encode(AsText(key.Sign(""))),
      "5VZDAMNgrHKQhuLMgG6CioSHfx645dl02HPgZSJJAVVfuIIVkKM7rMYeOXAc+bRr0lv18FlbviRlUUFDjnoQCw==");
}
TEST(Ed25519, ThePublicKeyAcceptsWhatThePrivateOneSigned) {
  const std::string secret = FormatWebhookPrivateKey(kSeed);
  const std::string shown = PublicKeyOfWebhookSecret(secret);
  EXPECT_EQ(shown, "whpk_" + Base64Encode(kPublic));
  const std::string signature = SignerOf({{secret}}).Sign(kId, kAtMicros, kBody);
  EXPECT_TRUE(signature.starts_with("v1a,"));
  EXPECT_TRUE(Accepts(shown, signature));
  EXPECT_TRUE(Accepts(secret, "v1,AAAA " + signature));
  EXPECT_FALSE(Accepts(shown, signature, "{}"));
  EXPECT_FALSE(Accepts(shown, "v1," + signature.substr(4)));
  EXPECT_FALSE(Accepts(shown, "v1a,"));
  EXPECT_FALSE(Accepts(kSecret, signature));
}
TEST(Ed25519, PrivateKeysHaveThirtyTwoBytesOrSixtyFourThatBelongTogether) {
  const auto make = [](const std::string& bytes) {
    return WebhookKey::ReadSecret("whsk_" + Base64Encode(bytes)).has_value();
  };
  EXPECT_TRUE(make(kSeed));
  EXPECT_TRUE(make(kSeed + kPublic));
  EXPECT_FALSE(make(kSeed + kSeed));
  EXPECT_FALSE(make(kSeed.substr(1)));
  EXPECT_FALSE(make(kSeed + "x"));
  // A public key signs nothing.
  EXPECT_FALSE(WebhookKey::ReadSecret("whpk_" + Base64Encode(kPublic)));
  EXPECT_TRUE(WebhookKey::ReadForVerifying("whpk_" + Base64Encode(kPublic)));
  EXPECT_FALSE(WebhookKey::ReadForVerifying("whpk_" + Base64Encode(kPublic + "x")));
}

}  // namespace
}  // namespace tributary::codec
