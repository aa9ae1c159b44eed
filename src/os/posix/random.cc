#include "os/random.h"

#include <sys/random.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/check.h"

namespace tributary::os {
namespace {

void FromKernel(std::span<unsigned char> out) {
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t n = getrandom(out.data() + done, out.size() - done, 0);
    if (n < 0 && errno == EINTR) continue;
    CHECK(n > 0);  // getrandom with no flags cannot fail on a booted system
    done += static_cast<std::size_t>(n);
  }
}

// A system call per message id would be felt at 100,000 events a second: 4 KiB are fetched at once.
struct Pool {
  std::array<unsigned char, 4096> bytes;
  std::size_t used = sizeof bytes;
};

class PosixRandom final : public Random {
 public:
  void Fill(std::span<unsigned char> out) override {
    static thread_local Pool pool;
    if (out.size() > pool.bytes.size()) return FromKernel(out);
    if (pool.bytes.size() - pool.used < out.size()) {
      FromKernel(pool.bytes);
      pool.used = 0;
    }
    std::memcpy(out.data(), pool.bytes.data() + pool.used, out.size());
    std::memset(pool.bytes.data() + pool.used, 0, out.size());  // never handed out twice
    pool.used += out.size();
  }
};

}  // namespace

Random& SystemRandom() {
  static PosixRandom random;
  return random;
}

}  // namespace tributary::os
