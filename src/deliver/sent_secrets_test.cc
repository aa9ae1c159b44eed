#include "deliver/sent_secrets.h"

#include <gtest/gtest.h>

#include "codec/base64.h"

namespace tributary::deliver {
namespace {

using List = std::vector<std::string>;

List Of(std::vector<http::Header> headers) {
  http::ClientRequest request;
  request.headers = std::move(headers);
  return SecretsOf(request);
}

TEST(SentSecrets, AreWhatTributaryDidNotWriteItself) {
  EXPECT_EQ(Of({{"Content-Type", "application/json"},
                {"webhook-id", "msg_1234567"},
                {"User-Agent", "Tributary/0.1.0"}}),
            List{});
  EXPECT_EQ(Of({{"X-Key", "abcdef"}, {"X-Short", "abcde"}}), List{"abcdef"});  // at the limit
}

TEST(SentSecrets, CredentialsCountAlsoWithoutTheirScheme) {
  EXPECT_EQ(Of({{"authorization", "Bearer tok-123"}}), (List{"Bearer tok-123", "tok-123"}));
  const std::string basic = codec::Base64Encode("somebody:p:assword");
  EXPECT_EQ(Of({{"Authorization", "Basic " + basic}}),
            (List{"Basic " + basic, basic, "p:assword"}));
  const std::string key = codec::Base64Encode("wk_12345:");
  EXPECT_EQ(Of({{"Authorization", "Basic " + key}}), (List{"Basic " + key, key, "wk_12345"}));
  EXPECT_EQ(Of({{"Authorization", "Basic !!!!!!"}}), (List{"Basic !!!!!!", "!!!!!!"}));
}

TEST(SentSecrets, AreNowhereInAnAnswerThatEchoesThem) {
  const List secrets = Of({{"X-Key", "key-key-key"}, {"Authorization", "Bearer key-key"}});
  http::ClientResponse response;
  response.body = R"({"x":"key-key-key","a":"Bearer key-key","again":"key-key","key":1})";
  response.error = "key-key";
  response.headers = {{"X-Echo", "Bearer key-key"}};
  Redact(secrets, response);
  EXPECT_EQ(response.body, R"({"x":"***","a":"***","again":"***","key":1})");
  EXPECT_EQ(response.error, "***");
  EXPECT_EQ(response.headers.front().second, "***");
}

}  // namespace
}  // namespace tributary::deliver
