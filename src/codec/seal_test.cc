#include "codec/seal.h"

namespace tributary::codec {
namespace {

SealKey KeyOf(unsigned char first) {
  SealKey key{};
  key[0] = first;
  return key;
}

TEST(Seal, OpensWithItsKeyInItsPlace) {
  const Sealer sealer(KeyOf(1), os::SystemRandom());
  for (const std::string& plain :
       {std::string(), std::string("whsec_x"), std::string(100'000, 'y')}) {
    const std::string sealed = sealer.Seal(plain, "destination/1");
    EXPECT_EQ(sealed.size(), plain.size() + kSealOverheadBytes);
    EXPECT_EQ(*sealer.Open(sealed, "destination/1"), plain);
    EXPECT_EQ(sealer.Open(sealed, "destination/2").error().code(), ErrorCode::kCorrupt);
  }
}

TEST(Seal, AnotherKeyIsSaidToBeAnother) {
  const std::string sealed = Sealer(KeyOf(1), os::SystemRandom()).Seal("secret", "");
  const Sealer other(KeyOf(2), os::SystemRandom());
  EXPECT_EQ(other.Open(sealed, "").error().code(), ErrorCode::kDenied);
}

TEST(Seal, EveryChangedByteIsSeen) {
  const Sealer sealer(KeyOf(1), os::SystemRandom());
  const std::string sealed = sealer.Seal("secret", "");
  EXPECT_EQ(sealed.find("secret"), std::string::npos);
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    std::string changed = sealed;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_FALSE(sealer.Open(changed, "").has_value()) << i;
    EXPECT_FALSE(sealer.Open(sealed.substr(0, i), "").has_value()) << i;
  }
}

TEST(Seal, TheSameTextIsNeverSealedTheSameWay) {
  const Sealer sealer(KeyOf(1), os::SystemRandom());
  EXPECT_NE(sealer.Seal("secret", ""), sealer.Seal("secret", ""));
}

}  // namespace
}  // namespace tributary::codec
