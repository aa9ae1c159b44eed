#include "config/yaml_options.h"

#include <nlohmann/json.hpp>

#include "config/yaml_reader.h"

namespace tributary::config {

std::expected<PlaceProblem, Problems> ReadYaml(const std::string& file_name, std::string_view text,
                                               const std::vector<OptionSpec>& specs,
                                               const Environment* environment, void* target) {
  internal::YamlDocument document =
      internal::YamlReader(file_name, environment).ReadDocument(text, specs);
  if (!document.problems.empty()) return std::unexpected(std::move(document.problems));
  const Status read = ReadObject(specs, document.value, target);
  PlaceProblem place = [file_name, document = std::move(document)](const Error& error) {
    const internal::Place at = document.Find(error.field());
    return Problem{.origin = file_name,
                   .line = at.line,
                   .column = at.column,
                   .field = error.field(),
                   .message = error.message()};
  };
  if (!read) return std::unexpected(Problems{place(read.error())});
  return place;
}

}  // namespace tributary::config
