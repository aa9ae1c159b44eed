// RELIABILITY.md E1, downstream-dispatch.md section 7: every notation of every address that must
// not be reached, and proof that an exception opens exactly itself.
#include "http/egress_guard.h"

#include <gtest/gtest.h>

#include "http/ip_address.h"

namespace tributary::http {
namespace {

EgressGuard Guard(std::vector<std::string> allow = {}, bool https_only = false) {
  return EgressGuard::Make({.allow = std::move(allow), .https_only = https_only}).value();
}

const std::vector<std::string> kForbiddenHosts = {
    // Loopback and this host, in every notation.
    "127.0.0.1", "127.1", "127.0.1", "0", "0.0.0.0", "2130706433", "0x7f000001", "0x7f.1",
    "0X7F.0.0.1", "017700000001", "0177.0.0.1", "0177.1", "127.0.0.01", "127.254.254.254",
    "127.0.0.1.", "0x7f.0x0.0x0.0x1", "00000177.0.0.1", "127.0x1", "0x0", "00", "0.1", "0.0.0.1",
    "0.255.255.255", "localhost", "LOCALHOST", "localhost.", "a.localhost", "a.b.localhost.",
    "LocalHost.LocalDomain", "ip6-localhost", "localhost6",
    // Private, shared, reserved.
    "10.0.0.0", "10.0.0.1", "10.255.255.255", "167772161", "0x0a000001", "012.0.0.1", "10.1",
    "172.16.0.0", "172.16.0.1", "172.31.255.255", "192.168.0.0", "192.168.1.1", "192.168.255.255",
    "192.168.257", "3232235777", "100.64.0.0", "100.127.255.255", "198.18.0.0", "198.19.255.255",
    "192.0.0.0", "192.0.0.255", "192.0.2.1", "198.51.100.1", "203.0.113.1", "192.88.99.1",
    "224.0.0.0", "224.0.0.1", "239.255.255.255", "240.0.0.0", "254.1.2.3", "255.255.255.255",
    "4294967295", "0xffffffff",
    // Link-local and the clouds' own services.
    "169.254.0.1", "169.254.169.254", "169.254.170.2", "2852039166", "0xa9fea9fe",
    "0xa9.0xfe.0xa9.0xfe", "0251.0376.0251.0376", "169.254.43518", "169.16689662", "168.63.129.16",
    "100.100.100.200", "192.0.0.192", "metadata.google.internal", "METADATA.GOOGLE.INTERNAL.",
    "metadata", "metadata.goog", "instance-data", "metadata.azure.internal",
    "kubernetes.default.svc",
    // IPv6.
    "[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[0000:0000:0000:0000:0000:0000:0000:0001]",
    "[::ffff:127.0.0.1]", "[::FFFF:127.0.0.1]", "[::ffff:7f00:1]", "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]", "[0:0:0:0:0:ffff:10.0.0.1]", "[::ffff:0.0.0.0]", "[::127.0.0.1]",
    "[::7f00:1]", "[::a9fe:a9fe]", "[::2]", "[::ffff:0:127.0.0.1]", "[64:ff9b::a9fe:a9fe]",
    "[64:ff9b::127.0.0.1]", "[64:ff9b::8.8.8.8]", "[64:ff9b:1::1]", "[64:ff9b:1:ffff::1]",
    "[2002:7f00:1::]", "[2002:a9fe:a9fe::]", "[2002:a00:1::1]", "[2002:808:808::]", "[2001::1]",
    "[2001:0:53aa:64c::1]", "[2001:0:ffff::]", "[2001:2::1]", "[2001:10::1]", "[2001:20::1]",
    "[2001:1ff::1]", "[fe80::1]", "[fe80::1:2]", "[febf::1]", "[fc00::]", "[fc00::1]", "[fd00::1]",
    "[fd00:ec2::254]", "[fd00:ec2::23]", "[fdff:ffff::1]", "[fec0::1]", "[feff::1]", "[ff02::1]",
    "[ff00::]", "[ffff::1]", "[100::1]", "[100::]", "[2001:db8::1]", "[2001:db8:ffff::1]",
    "[3fff::1]", "[3fff:fff::1]", "[5f00::1]", "[4000::1]", "[8000::1]", "[1::1]", "[200::1]",
    "[1fff::1]", "[::ffff:192.168.1.1]", "[::ffff:100.64.0.1]"};

const std::vector<std::string> kMalformedUrls = {
    // Credentials, zones, percent signs, look-alikes, other slashes and spaces.
    "http://user@example.com/", "http://user:password@example.com/", "http://@example.com/",
    "http://example.com@127.0.0.1/", "http://127.0.0.1@example.com/", "http://a@b@example.com/",
    "http://example.com:80@127.0.0.1/", "http://[fe80::1%lo]/", "http://[fe80::1%25lo]/",
    "http://[::1%25eth0]/", "http://127.0.0.%31/", "http://%31%32%37.0.0.1/",
    "http://%6c%6fcalhost/", "http://127%2e0%2e0%2e1/", "http://example.com%00.evil/",
    "http://127.0.0.1%2f@example.com/", "http://１２７.０.０.１/", "http://127。0。0。1/",
    "http://①②⑦.0.0.1/", "http://ｌocalhost/",
    "http://loc\xC2\xAD"
    "alhost/",
    "http://bücher.example/",
    "http://\xE2\x80\x8B"
    "127.0.0.1/",
    "http:\\\\127.0.0.1\\", "http://example.com\\@127.0.0.1/", "http:/\\127.0.0.1/",
    "http://127.0.0.1\t/", "http://exam\tple.com/", "http://example.com/\n", "http://exa mple.com/",
    " http://example.com/", "http://example.com/\r\nX: y", "http://example.com/\x7F",
    // Schemes.
    "file:///etc/passwd", "gopher://127.0.0.1:11211/", "ftp://example.com/", "dict://example.com/",
    "unix:/run/docker.sock", "http+unix://x/", "ldap://example.com/", "javascript:alert(1)",
    "//example.com/", "example.com", "http:example.com", "http:/example.com", "httpss://a.com/",
    "ws://example.com/", "", "http", "://example.com", "tftp://127.0.0.1/",
    // Hosts and ports that are none.
    "http://", "http:///path", "http://?q", "http://:80/", "http://./", "http://../",
    "http://a..b/", "http://.example.com/", "http://example.com../", "http://256.1.1.1/",
    "http://1.2.3.4.5/", "http://127.0.0.0x100/", "http://4294967296/", "http://0x100000000/",
    "http://08.0.0.1/", "http://127.0.0.1:0/", "http://example.com:0/", "http://example.com:65536/",
    "http://example.com:-1/", "http://example.com:80a/", "http://example.com:/",
    "http://example.com:80:81/", "http://[::1/", "http://[]/", "http://[::1]x/", "http://[::1]]/",
    "http://[127.0.0.1]/", "http://[v1.x]/", "http://[:::1]/", "http://[1:2:3:4:5:6:7:8:9]/",
    "http://::1/", "http://fe80::1/", "http://ex*mple.com/", "http://a,b/", "http://a;b/",
    "http://a'b/", "http://(a)/", "http://a|b/", "http://example.0/",
    "http://0x/0x7f.1.example.0x1", "http://a.0x7f/"};

TEST(EgressGuard, RefusesEveryForbiddenAddressInEveryNotation) {
  const EgressGuard guard = Guard();
  std::size_t judged = 0;
  for (const std::string& host : kForbiddenHosts) {
    for (const std::string& url : {"http://" + host + "/", "HTTPS://" + host + ":8443/a?b#c",
                                   "http://" + host, "https://" + host + "?x"}) {
      const Status status = guard.JudgeUrl(url);
      ++judged;
      ASSERT_FALSE(status) << url;
      EXPECT_EQ(status.error().code(), ErrorCode::kDenied) << url << status.error().message();
      EXPECT_NE(status.error().message().find("egress: {allow: ["), std::string::npos) << url;
    }
  }
  EXPECT_GE(judged, 500u);
  EXPECT_GE(kForbiddenHosts.size() + kMalformedUrls.size(), 150u);
}

TEST(EgressGuard, RefusesWhatReadersOfUrlsUnderstandDifferently) {
  const EgressGuard guard = Guard();
  for (const std::string& url : kMalformedUrls) {
    const Status status = guard.JudgeUrl(url);
    ASSERT_FALSE(status) << url;
    EXPECT_EQ(status.error().field(), "url") << url;
  }
}

TEST(EgressGuard, AcceptsPublicAddressesAndNamesThatMayNotResolve) {
  const EgressGuard guard = Guard();
  for (const char* url : {"http://example.com/",
                          "https://example.com",
                          "HTTPS://EXAMPLE.COM:443/a/b?c=d#e",
                          "http://example.com./",
                          "http://8.8.8.8/",
                          "http://134744072/",
                          "http://0x08080808/",
                          "http://1.1/x",
                          "http://[2606:4700::1111]/",
                          "http://[::ffff:8.8.8.8]:80/",
                          "http://xn--bcher-kva.example/",
                          "http://no.such.name.example/",
                          "http://a_b.example/",
                          "http://localhost.example.com/",
                          "http://notlocalhost/",
                          "http://172.15.255.255/",
                          "http://172.32.0.0/",
                          "http://100.63.255.255/",
                          "http://100.128.0.0/",
                          "http://198.17.255.255/",
                          "http://198.20.0.0/",
                          "http://223.255.255.255/",
                          "http://11.0.0.0/",
                          "http://126.255.255.255/",
                          "http://128.0.0.0/",
                          "http://169.253.255.255/",
                          "http://192.167.255.255/",
                          "http://[2001:200::1]/",
                          "http://[2003::1]/",
                          "http://[3ffe::1]/",
                          "http://example.com/%2F?u=user@x#@",
                          "http://example.com/http://127.0.0.1/",
                          "http://7f000001.example/"}) {
    EXPECT_TRUE(guard.JudgeUrl(url)) << url;
  }
}

TEST(EgressGuard, TheSentenceNamesTheOptionThatWouldAllowIt) {
  const Status status = Guard().JudgeUrl("http://2130706433:9000/hook");
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message(),
            "127.0.0.1 is a loopback address; to allow it: egress: {allow: [127.0.0.1/32]}");
  EXPECT_EQ(Guard().JudgeUrl("http://[fd00::1]/").error().message(),
            "fd00::1 is a private address; to allow it: egress: {allow: [fd00::1/128]}");
  EXPECT_NE(Guard().JudgeUrl("http://localhost/").error().message().find("[127.0.0.1/32]"),
            std::string::npos);
}

TEST(EgressGuard, AnAllowedNetworkOpensExactlyItself) {
  for (const std::string& host : kForbiddenHosts) {
    const Status before = Guard().JudgeUrl("http://" + host + "/");
    const std::string& text = before.error().message();
    const std::size_t from = text.find("[", text.find("allow: ")) + 1;
    const std::string entry = text.substr(from, text.find(']', from) - from);
    const EgressGuard opened = Guard({entry});
    EXPECT_TRUE(opened.JudgeUrl("http://" + host + "/")) << host << " by " << entry;
    // Whatever else became reachable must be the same address in another notation.
    for (const std::string& other : kForbiddenHosts) {
      // `localhost` is at both loopback addresses: either opens the name.
      if (entry == "::1/128" && other[0] != '[') continue;
      const Status closed = Guard().JudgeUrl("http://" + other + "/");
      const bool same = closed.error().message().find("[" + entry + "]") != std::string::npos;
      EXPECT_EQ(opened.JudgeUrl("http://" + other + "/").has_value(), same)
          << other << " by " << entry;
    }
  }
}

TEST(EgressGuard, PrefixesHaveTheirEdgesWhereTheySayTheyAre) {
  const EgressGuard guard = Guard({"10.1.0.0/16", "fd12::/24", "192.168.7.128/25"});
  for (const char* host : {"10.1.0.0", "10.1.255.255", "[fd12::1]", "[fd12:ff:ffff::1]",
                           "192.168.7.128", "192.168.7.255", "[::ffff:10.1.2.3]"}) {
    EXPECT_TRUE(guard.JudgeUrl(std::string("http://") + host + "/")) << host;
  }
  for (const char* host :
       {"10.0.255.255", "10.2.0.0", "[fd12:100::1]", "[fd13::1]", "192.168.7.127", "192.168.8.0",
        "[64:ff9b::10.1.2.3]", "[2002:a01:203::]", "[::10.1.2.3]"}) {
    EXPECT_FALSE(guard.JudgeUrl(std::string("http://") + host + "/")) << host;
  }
}

TEST(EgressGuard, AnAllowedNameIsAllowedWhereverItResolves) {
  const EgressGuard guard = Guard({"Hook.Internal.", "localhost"});
  EXPECT_TRUE(guard.JudgeUrl("http://hook.internal/"));
  EXPECT_TRUE(guard.JudgeAddress("10.0.0.1", "HOOK.internal."));
  EXPECT_TRUE(guard.JudgeUrl("http://localhost:9000/"));
  EXPECT_TRUE(guard.JudgeAddress("127.0.0.1", "localhost"));
  EXPECT_FALSE(guard.JudgeAddress("10.0.0.1", "other.internal"));
  EXPECT_FALSE(guard.JudgeAddress("10.0.0.1", "a.hook.internal"));
  EXPECT_FALSE(guard.JudgeUrl("http://127.0.0.1/"));
  EXPECT_FALSE(guard.JudgeUrl("http://a.localhost/"));
}

TEST(EgressGuard, JudgesAddressesAboutToBeConnectedTo) {
  const EgressGuard guard = Guard();
  for (const char* address : {"127.0.0.1", "::1", "fe80::1%2", "::ffff:10.0.0.1", "0.0.0.0",
                              "169.254.169.254", "64:ff9b::a00:1", "", "not an address"}) {
    const Status status = guard.JudgeAddress(address, "rebound.example");
    ASSERT_FALSE(status) << address;
    EXPECT_EQ(status.error().code(), ErrorCode::kDenied);
  }
  EXPECT_TRUE(guard.JudgeAddress("93.184.216.34", "example.com"));
  EXPECT_TRUE(guard.JudgeAddress("2606:2800:220:1:248:1893:25c8:1946", "example.com"));
}

// A server that listens where everybody can reach it is no way to itself either (E1).
TEST(EgressGuard, OurOwnAddressesAreRefusedUnlessAllowed) {
  EgressGuard guard = *EgressGuard::Make({.own = {"8.8.4.4", "2600::1%eth0", "127.0.0.1"}});
  for (const char* url : {"http://8.8.4.4/", "http://134743044:9/", "https://[2600::1]/",
                          "https://[::ffff:8.8.4.4]:8443/"}) {
    const Status judged = guard.JudgeUrl(url);
    ASSERT_FALSE(judged) << url;
    EXPECT_EQ(judged.error().code(), ErrorCode::kDenied);
    EXPECT_NE(judged.error().message().find("an address of this server itself"), std::string::npos)
        << judged.error().message();
  }
  EXPECT_FALSE(guard.JudgeAddress("8.8.4.4", "shop.example"));
  EXPECT_TRUE(guard.JudgeAddress("8.8.8.8", "shop.example"));
  ASSERT_TRUE(guard.Change({.allow = {"8.8.4.4/32"}, .own = {"8.8.4.4"}}));
  EXPECT_TRUE(guard.JudgeAddress("8.8.4.4", "shop.example"));
}

TEST(EgressGuard, HttpsOnlyRefusesTheRest) {
  EXPECT_FALSE(Guard({}, true).JudgeUrl("http://example.com/"));
  EXPECT_TRUE(Guard({}, true).JudgeUrl("https://example.com/"));
}

TEST(EgressGuard, EntriesThatAreNoNetworkAndNoNameAreRefusedByName) {
  for (const char* entry :
       {"", "*", "*.internal", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8x",
        "10.1.2.3/8", "fd00::/129", "fd00::1/64", "::1%lo", "http://a", "a/b", "127.1",
        "0x7f000001", "a..b", "[::1]", "10.0.0.0/8,127.0.0.1", "::ffff:10.0.0.1/24"}) {
    const auto guard = EgressGuard::Make({.allow = {"127.0.0.1/32", entry}});
    ASSERT_FALSE(guard) << entry;
    EXPECT_EQ(guard.error().field(), "egress.allow[1]");
    if (*entry == '\0') continue;
    EXPECT_EQ(guard.error().message().find(entry), std::string::npos) << "it may be a secret";
  }
}

TEST(EgressGuard, ChangedRulesCountAtOnceAndWrongOnesChangeNothing) {
  EgressGuard guard = Guard({"127.0.0.1/32"});
  const EgressGuard copy = guard;
  ASSERT_TRUE(guard.Change({.allow = {"10.0.0.0/8"}, .https_only = false}));
  EXPECT_FALSE(guard.JudgeUrl("http://127.0.0.1/"));
  EXPECT_TRUE(copy.JudgeUrl("http://10.0.0.1/")) << "copies share the rules";
  EXPECT_FALSE(guard.Change({.allow = {"10.0.0.0/8", "*"}, .https_only = true}));
  EXPECT_TRUE(guard.JudgeUrl("http://10.0.0.1/"));
}

TEST(EgressGuard, LongUrlsAreRefusedPastTheirLimit) {
  const std::string url = "http://example.com/";
  EXPECT_TRUE(Guard().JudgeUrl(url + std::string(8192 - url.size(), 'a')));
  EXPECT_FALSE(Guard().JudgeUrl(url + std::string(8193 - url.size(), 'a')));
}

}  // namespace
}  // namespace tributary::http
