#include "config/option_list.h"

#include <nlohmann/json.hpp>

#include "base/check.h"
#include "config/json_text.h"
#include "config/option_values.h"

namespace tributary::config {

using nlohmann::json;

namespace internal {
namespace {

std::vector<std::string> Names(const std::vector<OptionSpec>& specs) {
  std::vector<std::string> names;
  names.reserve(specs.size());
  for (const OptionSpec& spec : specs) names.push_back(spec.name);
  return names;
}

const OptionSpec* Find(const std::vector<OptionSpec>& specs, std::string_view name) {
  for (const OptionSpec& spec : specs) {
    if (spec.name == name) return &spec;
  }
  return nullptr;
}

Status ReadOne(const OptionSpec& spec, const json& value, void* target) {
  if (value.is_null() && spec.type != OptionType::kJson) {
    if (spec.required) return Fail(ErrorCode::kInvalid, spec.name, "is required");
    spec.reset(target);
    return {};
  }
  if (const Status status = spec.read(value, target); !status) {
    return Fail(Below(spec.name, status.error()));
  }
  return {};
}

// Whether a required option that is not named has a value already (a merge patch). A number that is
// 0 was never set.
bool HasValue(const OptionSpec& spec, const void* target) {
  const json value = spec.write(target, true);
  return !value.is_null() && value != 0 &&
         !(value.is_string() && value.get_ref<const std::string&>().empty()) &&
         !(value.is_structured() && value.empty());
}

// As ReadObject; messages read on from the field's name ("must be a text").
Status ReadFields(const std::vector<OptionSpec>& specs, const json& object, void* target,
                  const Check& check) {
  if (!object.is_object()) return Wrong("must be an object");
  for (const auto& [key, value] : object.items()) {
    const OptionSpec* spec = Find(specs, key);
    if (spec == nullptr) {
      const std::string guess = Suggestion(key, Names(specs));
      return Fail(ErrorCode::kInvalid, key,
                  "is not a known option" +
                      (guess.empty() ? std::string() : "; did you mean '" + guess + "'?"));
    }
    TRY(ReadOne(*spec, value, target));
  }
  for (const OptionSpec& spec : specs) {
    if (spec.required && !object.contains(spec.name) && !HasValue(spec, target)) {
      return Fail(ErrorCode::kInvalid, spec.name, "is required");
    }
  }
  return check ? check(target) : Status();
}

// Turns "url" and "must be a text" into one sentence, once, at the outermost object.
Status Sentence(Status status) {
  if (status) return status;
  const Error& e = status.error();
  const std::string subject = e.field().empty() ? "the value" : e.field();
  return Fail(e.code(), e.field(), subject + " " + e.message());
}

}  // namespace

OptionSpec MakeObject(OptionSpec spec, const Get& get, const Check& check) {
  spec.read = [get, check, children = spec.children](const json& value, void* target) {
    return ReadFields(children, value, get(target), check);
  };
  spec.write = [get, children = spec.children](const void* target, bool redact) {
    return WriteObject(children, get(const_cast<void*>(target)), redact);
  };
  return spec;
}

OptionSpec MakeObjectList(OptionSpec spec, const Get& get, const ListAccess& access,
                          const Check& check, Bounds bounds) {
  spec.read = [get, access, check, bounds, children = spec.children](const json& value,
                                                                     void* target) -> Status {
    if (!value.is_array()) return Wrong("must be a list");
    TRY(CheckCount(value.size(), bounds, kOptionEntriesMax, "entries"));
    void* list = get(target);
    access.clear(list);
    for (std::size_t i = 0; i < value.size(); ++i) {
      if (Status status = ReadFields(children, value[i], access.add(list), check); !status) {
        return Fail(Below("[" + std::to_string(i) + "]", status.error()));
      }
    }
    return {};
  };
  spec.write = [get, access, children = spec.children](const void* target, bool redact) {
    const void* list = get(const_cast<void*>(target));
    json out = json::array();
    for (std::size_t i = 0; i < access.size(list); ++i) {
      out.push_back(WriteObject(children, access.at(list, i), redact));
    }
    return out;
  };
  return spec;
}

void FillDefaultTexts(std::vector<OptionSpec>& specs, const void* defaults) {
  const auto fill = [](auto&& self, std::vector<OptionSpec>& list, const json& values) -> void {
    for (OptionSpec& spec : list) {
      const json& value = values.at(spec.name);
      spec.default_text = spec.required ? "" : DumpText(value);
      // An object's own defaults may differ from those of its type standing alone.
      if (spec.type == OptionType::kObject) self(self, spec.children, value);
    }
  };
  fill(fill, specs, WriteObject(specs, defaults, false));
}

Status ParseInto(std::string_view json_text, const std::vector<OptionSpec>& specs, void* target,
                 const Check& check) {
  TRY_ASSIGN(const json object, ParseJson(json_text, kOptionsBytesMax, kOptionsDepthMax));
  if (!object.is_object()) return Fail(ErrorCode::kInvalid, "the body must be a JSON object");
  return Sentence(ReadFields(specs, object, target, check));
}

std::string TextOf(const std::vector<OptionSpec>& specs, const void* target, bool redact) {
  return DumpText(WriteObject(specs, target, redact));
}

}  // namespace internal

Status ReadObject(const std::vector<OptionSpec>& specs, const json& object, void* target) {
  return internal::Sentence(internal::ReadFields(specs, object, target, nullptr));
}

json WriteObject(const std::vector<OptionSpec>& specs, const void* target, bool redact) {
  json out = json::object();
  for (const OptionSpec& spec : specs) out[spec.name] = spec.write(target, redact);
  return out;
}

}  // namespace tributary::config
