#include "config/reference.h"

#include <nlohmann/json.hpp>

#include "config/json_text.h"
#include "config/loader.h"
#include "config/option_list.h"
#include "config/option_values.h"

namespace tributary::config {
namespace {

using nlohmann::json;

constexpr std::size_t kCommentColumns = 98;

bool HasChildren(const OptionSpec& spec) {
  return spec.type == OptionType::kObject || spec.type == OptionType::kObjectList;
}

std::string TypeText(const OptionSpec& spec) {
  if (spec.type != OptionType::kEnum) return std::string(OptionTypeName(spec.type));
  std::string out;
  for (const std::string& word : spec.choices) out += (out.empty() ? "`" : " \\| `") + word + "`";
  return out;
}

// The demo source's write key is no secret; everything else that is one has no default.
std::string DefaultCell(const OptionSpec& spec) {
  if (spec.required) return "(required)";
  if (HasChildren(spec) || spec.default_text.empty() || spec.default_text == "null") return "";
  return "`" + spec.default_text + "`";
}

// As renderers make it of a heading's text.
std::string Anchor(const std::string& path) {
  std::string out = path;
  std::erase(out, '.');
  return out;
}

std::string TableOf(const std::vector<OptionSpec>& specs, const std::string& path) {
  std::string out = "| Option | Type | Default | Meaning |\n| --- | --- | --- | --- |\n";
  for (const OptionSpec& spec : specs) {
    std::string name = "`" + spec.name + "`";
    if (HasChildren(spec)) {
      name = "[" + name + "](#" + Anchor(internal::JoinPath(path, spec.name)) + ")";
    }
    out += "| " + name + " | " + TypeText(spec) + " | " + DefaultCell(spec) + " | " + spec.help +
           " |\n";
  }
  return out;
}

// Words of `text` in comment lines.
std::string Comment(const std::string& text, const std::string& indent) {
  std::string out;
  std::string line;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    const std::string word = text.substr(at, end - at);
    if (!line.empty() && indent.size() + line.size() + word.size() + 3 > kCommentColumns) {
      out += indent + "# " + line + "\n";
      line.clear();
    }
    line += (line.empty() ? "" : " ") + word;
    at = end + 1;
  }
  return out + indent + "# " + line + "\n";
}

std::string ChoiceComment(const OptionSpec& spec, const std::string& indent) {
  if (spec.type != OptionType::kEnum) return "";
  std::string words;
  for (const std::string& word : spec.choices) words += (words.empty() ? "" : " | ") + word;
  return indent + "# One of: " + words + "\n";
}

class YamlWriter {
 public:
  std::string Take() { return std::move(out_); }

  void Group(const std::vector<OptionSpec>& specs, const json& values, const std::string& indent) {
    bool first = true;
    for (const OptionSpec& spec : specs) {
      if (indent.empty() || !first) out_ += "\n";
      first = false;
      out_ += Comment(spec.help, indent) + ChoiceComment(spec, indent);
      Option(spec, values.at(spec.name), indent);
    }
  }

 private:
  void Option(const OptionSpec& spec, const json& value, const std::string& indent) {
    if (spec.type == OptionType::kObject) {
      out_ += indent + spec.name + ":\n";
      Group(spec.children, value, indent + "  ");
    } else if (spec.type == OptionType::kObjectList && !value.empty()) {
      out_ += indent + spec.name + ":\n";
      for (const json& entry : value) Entry(spec.children, entry, indent);
    } else {
      out_ += indent + spec.name + ": " + DumpText(value) + "\n";
      if (spec.type == OptionType::kObjectList) out_ += Sample(spec, indent);
    }
  }

  void Entry(const std::vector<OptionSpec>& specs, const json& entry, const std::string& indent) {
    const std::size_t start = out_.size();
    Group(specs, entry, indent + "    ");
    // The first line of an entry carries its dash, its comments before it.
    const std::string first_option = "\n" + indent + "    " + specs.front().name + ":";
    const std::size_t at = out_.find(first_option, start > 0 ? start - 1 : 0);
    out_.replace(at + 1 + indent.size(), 4, "  - ");
  }

  // What an entry of an empty list would look like.
  static std::string Sample(const OptionSpec& spec, const std::string& indent) {
    std::string names;
    for (const OptionSpec& child : spec.children) {
      names += (names.empty() ? "" : ", ") + child.name + ": …";
    }
    return Comment("Each entry: {" + names + "}", indent);
  }

  std::string out_;
};

}  // namespace

std::string OptionsAsMarkdown(const std::vector<OptionSpec>& specs, const std::string& path) {
  std::string out = TableOf(specs, path);
  for (const OptionSpec& spec : specs) {
    if (!HasChildren(spec)) continue;
    const std::string inner = internal::JoinPath(path, spec.name);
    const char* each = spec.type == OptionType::kObjectList ? " Each entry:" : "";
    out += "\n### `" + inner + "`\n\n" + spec.help + each + "\n\n" +
           OptionsAsMarkdown(spec.children, inner);
  }
  return out;
}

std::string ConfigurationPage() {
  return R"(# Configuration

<!-- Made by `tributary config-reference` from the declarations in src/config/settings.cc. -->

`tributary serve --config FILE` reads a YAML file; without one the defaults below hold. What a file
does not name keeps its default, key by key. Unknown keys are errors with line, column and a
suggestion; `tributary check-config FILE` shows everything that is wrong and exits 2.

* **Environment.** Every option outside of lists is also a variable: its path in capitals with `_`
  between the parts, so `retention.age` is `TRIBUTARY_RETENTION_AGE`. Variables override the file,
  the command line overrides both. Lists of texts are comma-separated there; other lists and groups
  are written as YAML (`TRIBUTARY_TOKENS='[{token: …, scopes: [admin]}]'`).
* **`${NAME}`** in a value of the file is replaced by that variable; one that is not set is an
  error. It is put in after the file was parsed, so its content can neither break nor extend the
  file. `$${` stands for the two characters `${`.
* **Durations** are written `250ms`, `5s`, `10m`, `2h`, `7d`; **sizes** `512`, `64KiB`, `10MiB`,
  `2GiB`.
* **Addresses.** Anything but loopback needs a token, else the server does not start.

## Options

)" + OptionsAsMarkdown(OptionList<Settings>::Specs(), "");
}

std::string DefaultYaml() {
  YamlWriter writer;
  const Settings defaults;
  writer.Group(OptionList<Settings>::Specs(),
               WriteObject(OptionList<Settings>::Specs(), &defaults, false), "");
  return "# Tributary's configuration with every option at its default: a file with nothing in it\n"
         "# means the same. docs/guides/configuration.md says how values are written.\n"
         "# Made by `tributary config-reference --yaml`.\n" +
         writer.Take();
}

}  // namespace tributary::config
