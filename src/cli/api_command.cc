#include "cli/api_command.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <ostream>

#include "cli/escape.h"
#include "cli/pretty_json.h"
#include "cli/table.h"

namespace tributary::cli {

using nlohmann::ordered_json;

std::string Cell(const ordered_json& object, std::string_view name) {
  if (!object.is_object()) return {};
  const auto found = object.find(name);
  if (found == object.end() || found->is_null()) return {};
  return found->is_string() ? found->get<std::string>() : found->dump();
}

std::uint64_t NumberCell(const ordered_json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

std::string Pretty(const std::string& body) {
  return EscapeBlock(PrettyJson(body, kAnswerBytesMax).value_or(body)) + "\n";
}

std::string ListJson(const std::vector<std::string>& entries) {
  ordered_json all = ordered_json::array();
  for (const std::string& text : entries) all.push_back(ordered_json::parse(text));
  return EscapeBlock(all.dump(2)) + "\n";
}

std::string ListText(const std::vector<std::string>& entries, const std::vector<Column>& columns) {
  std::vector<std::string> headings;
  headings.reserve(columns.size());
  for (const Column& column : columns) headings.emplace_back(column.heading);
  Table table(std::move(headings));
  for (const std::string& text : entries) {
    const auto entry = ordered_json::parse(text);
    std::vector<std::string> cells;
    cells.reserve(columns.size());
    for (const Column& column : columns) {
      cells.push_back(column.read ? column.read(entry) : Cell(entry, column.field));
    }
    table.Add(std::move(cells));
  }
  return table.ToString();
}

std::string FieldsText(const std::string& body) {
  const auto object = ordered_json::parse(body, nullptr, false);
  if (!object.is_object()) return Pretty(body);
  std::size_t columns = 14;
  for (const auto& [name, value] : object.items()) columns = std::max(columns, name.size());
  std::string out;
  for (const auto& [name, value] : object.items()) {
    const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
    out +=
        EscapeLine(name) + std::string(columns - name.size(), ' ') + "  " + EscapeLine(text) + "\n";
  }
  return out;
}

std::string PathWith(std::string path, const std::vector<QueryOption>& options) {
  for (const QueryOption& option : options) {
    if (option.value) path = WithQuery(path, option.parameter, *option.value);
  }
  return path;
}

Arguments::Action ApiCommand::Calls(Work work) {
  return [this, work = std::move(work)](Context& context) {
    const auto api = context.connect(options_.Target(context.environment));
    if (!api) return ComplainOfUsage(context, api.error().message());
    const auto text = work(context, **api);
    if (!text) return ComplainOfError(context, text.error());
    context.out << *text;
    return exit_code_;
  };
}

Result<std::string> ApiCommand::GetPretty(Api& api, const std::string& path) const {
  TRY_ASSIGN(const std::string body, CallForBody(api, {.path = path}));
  return Pretty(body);
}

std::string ApiCommand::Said(const std::string& body, const std::string& sentence) const {
  return options_.json ? Pretty(body) : EscapeLine(sentence) + "\n";
}

Result<std::string> ApiCommand::ListOf(Api& api, const std::string& path, std::size_t entries_max,
                                       const std::vector<Column>& columns) const {
  TRY_ASSIGN(const auto entries, ListAll(api, path, entries_max));
  return options_.json ? ListJson(entries) : ListText(entries, columns);
}

Result<std::string> ApiCommand::Post(Api& api, const std::string& path, std::string body) {
  return CallForBody(api, {.method = "POST", .path = path, .body = std::move(body)});
}

}  // namespace tributary::cli
