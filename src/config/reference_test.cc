#include "config/reference.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "config/loader.h"
#include "config/option_list.h"

namespace tributary::config {
namespace {

std::string FileOfRepository(const std::string& path) {
  const char* root = std::getenv("TRIBUTARY_SOURCE");  // CTest sets it
  std::ifstream file(std::filesystem::path(root != nullptr ? root : ".") / path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST(Reference, ThePageInTheRepositoryIsNotStale) {
  EXPECT_TRUE(FileOfRepository("docs/guides/configuration.md") == ConfigurationPage())
      << "make it anew: tributary config-reference > docs/guides/configuration.md";
}

TEST(Reference, TheDefaultFileInTheRepositoryIsNotStale) {
  EXPECT_TRUE(FileOfRepository("config/tributary.yaml") == DefaultYaml())
      << "make it anew: tributary config-reference --yaml > config/tributary.yaml";
}

TEST(Reference, TheDefaultFileLoadsAndIsTheDefaults) {
  LoadInput input;
  input.file_name = "tributary.yaml";
  input.text = DefaultYaml();
  const auto loaded = Load(input);
  ASSERT_TRUE(loaded) << loaded.error().front().ToString();
  EXPECT_EQ(OptionsText(loaded->settings, false), OptionsText(Settings(), false));
}

TEST(Reference, EveryOptionIsOnThePageAndHasAMeaning) {
  const std::string page = ConfigurationPage();
  const auto check = [&](auto&& self, const std::vector<OptionSpec>& specs) -> void {
    for (const OptionSpec& spec : specs) {
      EXPECT_NE(page.find("`" + spec.name + "`"), std::string::npos) << spec.name;
      EXPECT_TRUE(spec.help.ends_with('.')) << spec.name;
      EXPECT_EQ(spec.help.find('|'), std::string::npos) << "would break the table: " << spec.name;
      self(self, spec.children);
    }
  };
  check(check, OptionList<Settings>::Specs());
}

}  // namespace
}  // namespace tributary::config
