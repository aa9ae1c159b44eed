#include "support/temp_dir.h"

#include <cstdlib>
#include <system_error>

namespace tributary::test {

TempDir::TempDir() {
  std::string pattern = (std::filesystem::temp_directory_path() / "tributary-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) std::abort();
  path_ = pattern;
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string SharedDir() {
  const char* dir = std::getenv("TRIBUTARY_SHARED");
  if (dir == nullptr || !std::filesystem::exists(dir)) return {};
  return dir;
}

}  // namespace tributary::test
