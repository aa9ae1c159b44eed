// Runs a fuzz target over its seeds and a fixed number of mutations of each: the same inputs every
// time, so that it can be part of the ordinary tests. The search for new inputs is libFuzzer's.
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

constexpr int kMutationsPerSeed = 10000;

std::uint64_t Next(std::uint64_t& state) {  // xorshift64
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

std::string Mutate(std::string bytes, std::uint64_t& state) {
  for (std::uint64_t edits = 1 + Next(state) % 4; edits > 0; --edits) {
    const std::size_t at = bytes.empty() ? 0 : Next(state) % bytes.size();
    const char byte = static_cast<char>(Next(state));
    switch (Next(state) % 5) {
      case 0:
        bytes.insert(at, 1, byte);
        break;
      case 1:
        bytes.erase(at, 1 + Next(state) % 4);
        break;
      case 2:
        bytes.insert(at, bytes.substr(Next(state) % (bytes.size() + 1), 16));
        break;
      case 3:
        bytes.resize(at);
        break;
      default:
        if (!bytes.empty()) bytes[at] = byte;
    }
  }
  return bytes;
}

void Run(const std::string& bytes) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
}

}  // namespace

int main(int argc, char** argv) {
  long runs = 0;
  for (int i = 1; i < argc; ++i) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(argv[i])) {
      std::ifstream file(entry.path(), std::ios::binary);
      const std::string seed((std::istreambuf_iterator<char>(file)), {});
      std::uint64_t state = 0x9E3779B97F4A7C15 ^ seed.size();
      Run(seed);
      for (int n = 0; n < kMutationsPerSeed; ++n, ++runs) Run(Mutate(seed, state));
    }
  }
  std::printf("%ld inputs\n", runs);
  return runs > 0 ? 0 : 1;
}
