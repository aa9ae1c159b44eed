#include "config/yaml_options.h"

#include <nlohmann/json.hpp>

#include "config/yaml_reader.h"

namespace tributary::config {

std::expected<void, Problems> ReadYaml(const std::string& file_name, std::string_view text,
                                       const std::vector<OptionSpec>& specs,
                                       const Environment* environment, void* target) {
  internal::YamlDocument document =
      internal::YamlReader(file_name, environment).ReadDocument(text, specs);
  if (!document.problems.empty()) return std::unexpected(std::move(document.problems));
  const Status read = ReadObject(specs, document.value, target);
  if (read) return {};
  const internal::Place place = document.Find(read.error().field());
  return std::unexpected(Problems{{.origin = file_name,
                                   .line = place.line,
                                   .column = place.column,
                                   .field = read.error().field(),
                                   .message = read.error().message()}});
}

}  // namespace tributary::config
