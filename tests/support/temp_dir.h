// A directory that goes away with the test, and the path of the shared facts.
#pragma once

#include <filesystem>
#include <string>

namespace tributary::test {

class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  std::string path() const { return path_.string(); }
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

// The directory with fixtures (environment TRIBUTARY_SHARED), or empty when it is not there:
// tests that need it say so with GTEST_SKIP.
std::string SharedDir();

}  // namespace tributary::test
