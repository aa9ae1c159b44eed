#include <gtest/gtest.h>

#include "base/bytes.h"
#include "codec/base64.h"
#include "codec/gzip.h"
#include "codec/hmac.h"
#include "codec/lz4.h"
#include "codec/zstd.h"

namespace tributary::codec {
namespace {

ErrorCode CodeOf(const Status& status) {
  return status ? ErrorCode::kInternal : status.error().code();
}

TEST(Base64, KnowsTheVectorsOfRfc4648) {
  const std::pair<const char*, const char*> vectors[] = {
      {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, text] : vectors) {
    EXPECT_EQ(Base64Encode(plain), text);
    EXPECT_EQ(Base64Decode(text, Base64::kStrict).value(), plain);
  }
  EXPECT_EQ(Base64UrlEncode("\xFB\xFF"), "-_8");
  EXPECT_EQ(Base64Decode("-_8", Base64::kUrl).value(), "\xFB\xFF");
}

TEST(Base64, EveryByteValueComesBack) {
  std::string bytes;
  for (int n = 0; n < 300; ++n) {
    bytes += static_cast<char>(n * 7);
    EXPECT_EQ(Base64Decode(Base64Encode(bytes), Base64::kStrict).value(), bytes);
    EXPECT_EQ(Base64Decode(Base64UrlEncode(bytes), Base64::kUrl).value(), bytes);
    EXPECT_EQ(Base64Decode(Base64UrlEncode(bytes), Base64::kLenient).value(), bytes);
  }
}

TEST(Base64, StrictRefusesEverySecondSpelling) {
  for (const char* text : {"Zg", "Zg=", "Zg===", "Zh==", "Zm9v=", "Zm9v====", "Zg== ", " Zg==",
                           "Z\ng==", "Zm-v", "====", "=", "Z===", "Zg==Zg=="}) {
    EXPECT_FALSE(Base64Decode(text, Base64::kStrict)) << text;
  }
  for (const char* text : {"Zg==", "Z", "+/8", "Zh"}) {
    EXPECT_FALSE(Base64Decode(text, Base64::kUrl)) << text;
  }
}

TEST(Base64, LenientTakesWhatPeoplePaste) {
  for (const char* text : {"Zg", "Zg=", "Zg==", " Zg==\r\n", "Z\ng = ="}) {
    EXPECT_EQ(Base64Decode(text, Base64::kLenient).value_or("refused"), "f") << text;
  }
  EXPECT_FALSE(Base64Decode("Z", Base64::kLenient));
  EXPECT_FALSE(Base64Decode("Zg*", Base64::kLenient));
}

TEST(Gzip, BothFormsComeBack) {
  std::string out;
  for (const std::size_t size : {0, 1, 4096, 4097, 100'000}) {
    const std::string plain(size, 'x');
    ASSERT_TRUE(Inflate(GzipCompress(plain), size, out));
    EXPECT_EQ(out, plain);
    ASSERT_TRUE(Inflate(ZlibCompress(plain), size, out));
    EXPECT_EQ(out, plain);
  }
  EXPECT_TRUE(LooksLikeGzip(GzipCompress("x")));
  EXPECT_FALSE(LooksLikeGzip("{}"));
}

TEST(Gzip, OneByteOverTheCapIsTooLarge) {
  std::string out;
  EXPECT_TRUE(Inflate(GzipCompress(std::string(5000, 'x')), 5000, out));
  EXPECT_EQ(CodeOf(Inflate(GzipCompress(std::string(5001, 'x')), 5000, out)), ErrorCode::kTooLarge);
  EXPECT_EQ(CodeOf(Inflate(GzipCompress("x"), 0, out)), ErrorCode::kTooLarge);
}

TEST(Gzip, ABombCostsNoMoreThanTheCap) {
  const std::string bomb = GzipCompress(std::string(64 << 20, '\0'), 9);
  std::string out;
  EXPECT_EQ(CodeOf(Inflate(bomb, 512 * 1024, out)), ErrorCode::kTooLarge);
  EXPECT_LE(out.capacity(), 512u * 1024 + 1);
  // The same hidden in a second member.
  EXPECT_EQ(CodeOf(Inflate(GzipCompress("a") + bomb, 512 * 1024, out)), ErrorCode::kTooLarge);
}

TEST(Gzip, MembersAreJoinedAndCounted) {
  std::string out;
  ASSERT_TRUE(Inflate(GzipCompress("one ") + GzipCompress("") + GzipCompress("two"), 100, out));
  EXPECT_EQ(out, "one two");
  const std::string empty = GzipCompress("");
  std::string many;
  for (std::size_t i = 0; i < kGzipMembersMax; ++i) many += empty;
  EXPECT_TRUE(Inflate(many, 100, out));
  EXPECT_EQ(CodeOf(Inflate(many + empty, 100, out)), ErrorCode::kTooLarge);
}

TEST(Gzip, EveryCutAndEveryFlippedBitIsNoticedOrHarmless) {
  const std::string plain = "the quick brown fox jumps over the lazy dog";
  const std::string packed = GzipCompress(plain);
  std::string out;
  for (std::size_t cut = 0; cut < packed.size(); ++cut) {
    EXPECT_EQ(CodeOf(Inflate(packed.substr(0, cut), 1000, out)), ErrorCode::kInvalid) << cut;
  }
  for (std::size_t bit = 0; bit < packed.size() * 8; ++bit) {
    std::string damaged = packed;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    if (Inflate(damaged, 1000, out)) {
      EXPECT_EQ(out, plain) << bit;  // e.g. the time stamp
    }
  }
}

TEST(Gzip, TrailingBytesAreRefused) {
  std::string out;
  EXPECT_EQ(CodeOf(Inflate(GzipCompress("a") + "junk", 100, out)), ErrorCode::kInvalid);
  EXPECT_EQ(CodeOf(Inflate(ZlibCompress("a") + ZlibCompress("b"), 100, out)), ErrorCode::kInvalid);
  EXPECT_EQ(CodeOf(Inflate("{\"plain\":1}", 100, out)), ErrorCode::kInvalid);
  EXPECT_EQ(CodeOf(Inflate("", 100, out)), ErrorCode::kInvalid);
}

TEST(Gzip, AFailedBodyDoesNotSpoilTheNext) {
  std::string out;
  EXPECT_FALSE(Inflate(GzipCompress("hello").substr(0, 12), 100, out));
  ASSERT_TRUE(Inflate(GzipCompress("hello"), 100, out));
  EXPECT_EQ(out, "hello");
}

TEST(Zstd, BlocksComeBack) {
  ZstdCompressor compressor;
  ZstdDecompressor decompressor;
  std::string packed, out;
  for (const std::size_t size : {0, 1, 65536, 1'000'000}) {
    const std::string plain(size, 'z');
    compressor.Compress(plain, packed);
    ASSERT_TRUE(decompressor.Decompress(packed, size, out));
    EXPECT_EQ(out, plain);
    if (size > 0) {
      EXPECT_EQ(CodeOf(decompressor.Decompress(packed, size - 1, out)), ErrorCode::kTooLarge);
    }
  }
}

TEST(Zstd, DamageIsNoticed) {
  ZstdCompressor compressor;
  ZstdDecompressor decompressor;
  std::string packed, out, plain;
  for (int i = 0; i < 2000; ++i) plain += std::to_string(i * i);
  compressor.Compress(plain, packed);
  EXPECT_EQ(CodeOf(decompressor.Decompress(packed + "x", 100'000, out)), ErrorCode::kCorrupt);
  EXPECT_EQ(CodeOf(decompressor.Decompress("", 100'000, out)), ErrorCode::kCorrupt);
  for (std::size_t cut = 0; cut < packed.size(); cut += 13) {
    EXPECT_FALSE(decompressor.Decompress(packed.substr(0, cut), 100'000, out)) << cut;
  }
  for (std::size_t bit = 0; bit < packed.size() * 8; bit += 11) {
    std::string damaged = packed;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    if (decompressor.Decompress(damaged, 100'000, out)) {
      EXPECT_EQ(out, plain) << bit;
    }
  }
}

TEST(Lz4, BlocksComeBackBehindWhatIsThere) {
  std::string packed;
  for (const std::size_t size : {0, 1, 65536, 1'000'000}) {
    const std::string plain(size, 'z');
    Lz4Compress(plain, packed);
    std::string out = "before";
    ASSERT_TRUE(Lz4Append(packed, size, out));
    EXPECT_EQ(out, "before" + plain);
    EXPECT_EQ(CodeOf(Lz4Append(packed, size + 1, out)), ErrorCode::kCorrupt);
    if (size > 0) {
      EXPECT_EQ(CodeOf(Lz4Append(packed, size - 1, out)), ErrorCode::kCorrupt);
    }
    EXPECT_EQ(out.size(), 6 + size) << "as it was after an error";
  }
}

TEST(Lz4, DamageNeverWritesOutside) {
  std::string packed, plain;
  for (int i = 0; i < 2000; ++i) plain += std::to_string(i * i);
  Lz4Compress(plain, packed);
  for (std::size_t cut = 0; cut < packed.size(); cut += 13) {
    std::string out;
    EXPECT_EQ(CodeOf(Lz4Append(packed.substr(0, cut), plain.size(), out)), ErrorCode::kCorrupt);
    EXPECT_EQ(out, "");
  }
  for (std::size_t bit = 0; bit < packed.size() * 8; bit += 11) {
    std::string damaged = packed, out;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    // No checksum of its own: it may come back wrong, but never longer or shorter.
    if (!Lz4Append(damaged, plain.size(), out)) continue;
    EXPECT_EQ(out.size(), plain.size());
  }
}

TEST(Hmac, KnowsTheVectorsOfRfc4231AndRfc2202) {
  EXPECT_EQ(ToHex(AsText(HmacSha256Of("Jefe", "what do ya want for nothing?"))),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(ToHex(AsText(HmacSha256Of(std::string(131, '\xAA'),
                                      "Test Using Larger Than Block-Size Key - Hash Key First"))),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
  EXPECT_EQ(ToHex(AsText(HmacSha1Of("Jefe", "what do ya want for nothing?"))),
            "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
  EXPECT_EQ(ToHex(AsText(HmacSha256Of("", ""))),
            "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
  EXPECT_EQ(ToHex(AsText(Sha256Of("abc"))),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Hmac, PiecesAndReuseGiveTheSameAsOneMessage) {
  HmacSha256 hmac("key");
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(hmac.Add("a").Add("").Add("bc").Finish(), HmacSha256Of("key", "abc"));
  }
}

TEST(ConstantTime, ComparesWholeStrings) {
  EXPECT_TRUE(ConstantTimeEqual("", ""));
  EXPECT_TRUE(ConstantTimeEqual("abc", "abc"));
  EXPECT_FALSE(ConstantTimeEqual("abc", "abd"));
  EXPECT_FALSE(ConstantTimeEqual("abc", "ab"));
}

}  // namespace
}  // namespace tributary::codec
