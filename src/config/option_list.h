// How options are declared (see option.h for the idea). Templates here only find the member of T;
// everything that knows JSON is in the .cc files, so that this header stays light.
//
// T is default-constructible; its defaults are the options' defaults. A T with a member
// `Status Check() const` has it called after reading, for rules that span several options; its
// error names the option and its message reads on from there ("url", "must be https here").
#pragma once

#include <concepts>
#include <initializer_list>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "config/option.h"

namespace tributary::config {

// Inclusive. Of the value for numbers, durations (nanoseconds) and sizes; of the length in bytes
// for texts; of the number of entries for lists and maps.
struct Bounds {
  std::int64_t min = std::numeric_limits<std::int64_t>::min();
  std::int64_t max = std::numeric_limits<std::int64_t>::max();
};

// What a list, a map or a text may hold when its declaration does not say.
inline constexpr std::int64_t kOptionEntriesMax = 10'000;
inline constexpr std::int64_t kOptionTextBytesMax = 64 * 1024;
// Nesting and size of what ParseOptions reads.
inline constexpr int kOptionsDepthMax = 32;
inline constexpr std::size_t kOptionsBytesMax = 1024 * 1024;

namespace internal {

using Get = std::function<void*(void* target)>;

// How the .cc reaches a member whose C++ type it does not know.
struct IntegerAccess {
  std::function<void(void* target, std::int64_t value)> set;
  std::function<std::int64_t(const void* target)> get;
};
struct ListAccess {
  std::function<void(void* list)> clear;
  std::function<void*(void* list)> add;  // the new last element
  std::function<std::size_t(const void* list)> size;
  std::function<const void*(const void* list, std::size_t i)> at;
};
using Check = std::function<Status(const void* object)>;

// `spec` has name, type, help and required; these add read and write.
OptionSpec MakeValue(OptionSpec spec, const Get& get, Bounds bounds);
OptionSpec MakeInteger(OptionSpec spec, const IntegerAccess& access, Bounds bounds);
OptionSpec MakeEnum(OptionSpec spec, const IntegerAccess& access,
                    const std::vector<std::int64_t>& values);
OptionSpec MakeObject(OptionSpec spec, const Get& get, const Check& check);
OptionSpec MakeObjectList(OptionSpec spec, const Get& get, const ListAccess& access,
                          const Check& check, Bounds bounds);
void FillDefaultTexts(std::vector<OptionSpec>& specs, const void* defaults);
Status ParseInto(std::string_view json_text, const std::vector<OptionSpec>& specs, void* target,
                 const Check& check);
std::string TextOf(const std::vector<OptionSpec>& specs, const void* target, bool redact);

template <class V>
consteval OptionType TypeOf() {
  if constexpr (std::same_as<V, std::string>) {
    return OptionType::kString;
  } else if constexpr (std::same_as<V, Secret>) {
    return OptionType::kSecret;
  } else if constexpr (std::same_as<V, bool>) {
    return OptionType::kBool;
  } else if constexpr (std::integral<V>) {
    return OptionType::kInteger;
  } else if constexpr (std::same_as<V, double>) {
    return OptionType::kNumber;
  } else if constexpr (std::same_as<V, std::vector<std::string>>) {
    return OptionType::kStringList;
  } else if constexpr (std::same_as<V, std::vector<Secret>>) {
    return OptionType::kSecretList;
  } else if constexpr (std::same_as<V, std::map<std::string, std::string>>) {
    return OptionType::kStringMap;
  } else if constexpr (std::same_as<V, std::map<std::string, Secret>>) {
    return OptionType::kSecretMap;
  } else if constexpr (std::same_as<V, JsonText>) {
    return OptionType::kJson;
  } else {
    static_assert(std::same_as<V, std::vector<JsonText>>,
                  "no option of this type: use Duration, "
                  "Bytes, Enum, Durations, Object or ObjectList, or another member type");
    return OptionType::kJsonList;
  }
}

template <class V>
constexpr Bounds Within(Bounds b) {
  if constexpr (sizeof(V) < sizeof(std::int64_t)) {
    b.min = std::max<std::int64_t>(b.min, std::numeric_limits<V>::min());
    b.max = std::min<std::int64_t>(b.max, std::numeric_limits<V>::max());
  } else if constexpr (std::unsigned_integral<V>) {
    b.min = std::max<std::int64_t>(b.min, 0);
  }
  return b;
}

template <class U>
Check CheckOf() {
  if constexpr (requires(const U& u) {
                  { u.Check() } -> std::same_as<Status>;
                }) {
    return [](const void* object) { return static_cast<const U*>(object)->Check(); };
  } else {
    return nullptr;
  }
}

}  // namespace internal

template <class T>
class OptionList {
 public:
  // string, Secret, bool, any integer, double, vector<string>, vector<Secret>,
  // map<string, string>, map<string, Secret>, JsonText, vector<JsonText>.
  template <class V>
  void Required(std::string name, V T::*member, std::string help, Bounds bounds = {}) {
    Value(std::move(name), member, std::move(help), bounds, true);
  }
  template <class V>
  void Optional(std::string name, V T::*member, std::string help, Bounds bounds = {}) {
    Value(std::move(name), member, std::move(help), bounds, false);
  }
  // "15s"; the member is in nanoseconds. Never negative.
  void Duration(std::string name, MonoNanos T::*member, std::string help,
                Bounds bounds = {.min = 0}) {
    Add(internal::MakeInteger(Spec(std::move(name), OptionType::kDuration, std::move(help), member),
                              Access(member), bounds));
  }
  // "64KiB" or a plain number; the member is in bytes.
  template <std::integral V>
  void Bytes(std::string name, V T::*member, std::string help, Bounds bounds = {.min = 0}) {
    Add(internal::MakeInteger(Spec(std::move(name), OptionType::kBytes, std::move(help), member),
                              Access(member), internal::Within<V>(bounds)));
  }
  void Durations(std::string name, std::vector<MonoNanos> T::*member, std::string help,
                 Bounds bounds = {.min = 0, .max = kOptionEntriesMax}) {
    Add(internal::MakeValue(
        Spec(std::move(name), OptionType::kDurationList, std::move(help), member), Getter(member),
        bounds));
  }
  template <class E>
  void Enum(std::string name, E T::*member,
            std::initializer_list<std::pair<const char*, E>> choices, std::string help) {
    OptionSpec spec = Spec(std::move(name), OptionType::kEnum, std::move(help), member);
    std::vector<std::int64_t> values;
    for (const auto& [word, value] : choices) {
      spec.choices.emplace_back(word);
      values.push_back(static_cast<std::int64_t>(value));
    }
    Add(internal::MakeEnum(std::move(spec), Access(member), values));
  }
  template <class U>
  void Object(std::string name, U T::*member, std::string help) {
    OptionSpec spec = Spec(std::move(name), OptionType::kObject, std::move(help), member);
    spec.children = OptionList<U>::Specs();
    Add(internal::MakeObject(std::move(spec), Getter(member), internal::CheckOf<U>()));
  }
  // A given list replaces the default one; its entries start from U's defaults.
  template <class U>
  void ObjectList(std::string name, std::vector<U> T::*member, std::string help,
                  Bounds bounds = {.min = 0, .max = kOptionEntriesMax}) {
    OptionSpec spec = Spec(std::move(name), OptionType::kObjectList, std::move(help), member);
    spec.children = OptionList<U>::Specs();
    Add(internal::MakeObjectList(std::move(spec), Getter(member), ListAccessOf<U>(),
                                 internal::CheckOf<U>(), bounds));
  }

  // The declarations of T, made once.
  static const std::vector<OptionSpec>& Specs() {
    static const std::vector<OptionSpec> specs = [] {
      OptionList<T> list;
      T::Describe(list);
      const T defaults{};
      internal::FillDefaultTexts(list.specs_, &defaults);
      return std::move(list.specs_);
    }();
    return specs;
  }

 private:
  template <class V>
  void Value(std::string name, V T::*member, std::string help, Bounds bounds, bool required) {
    constexpr OptionType type = internal::TypeOf<V>();
    OptionSpec spec = Spec(std::move(name), type, std::move(help), member);
    spec.required = required;
    if constexpr (type == OptionType::kInteger) {
      Add(internal::MakeInteger(std::move(spec), Access(member), internal::Within<V>(bounds)));
    } else {
      Add(internal::MakeValue(std::move(spec), Getter(member), bounds));
    }
  }

  template <class V>
  static OptionSpec Spec(std::string name, OptionType type, std::string help, V T::*member) {
    OptionSpec spec;
    spec.name = std::move(name);
    spec.type = type;
    spec.help = std::move(help);
    spec.reset = [member](void* target) { static_cast<T*>(target)->*member = T{}.*member; };
    return spec;
  }
  template <class V>
  static internal::Get Getter(V T::*member) {
    return [member](void* target) -> void* { return &(static_cast<T*>(target)->*member); };
  }
  template <class V>
  static internal::IntegerAccess Access(V T::*member) {
    return {.set =
                [member](void* target, std::int64_t value) {
                  static_cast<T*>(target)->*member = static_cast<V>(value);
                },
            .get =
                [member](const void* target) {
                  return static_cast<std::int64_t>(static_cast<const T*>(target)->*member);
                }};
  }
  template <class U>
  static internal::ListAccess ListAccessOf() {
    using List = std::vector<U>;
    return {.clear = [](void* list) { static_cast<List*>(list)->clear(); },
            .add = [](void* list) -> void* { return &static_cast<List*>(list)->emplace_back(); },
            .size = [](const void* list) { return static_cast<const List*>(list)->size(); },
            .at = [](const void* list, std::size_t i) -> const void* {
              return &(*static_cast<const List*>(list))[i];
            }};
  }
  void Add(OptionSpec spec) { specs_.push_back(std::move(spec)); }

  std::vector<OptionSpec> specs_;
};

// Reads JSON text into T's defaults. kInvalid names the field; bad JSON, a repeated key, nesting
// past kOptionsDepthMax and more than kOptionsBytesMax are kInvalid too.
template <class T>
Result<T> ParseOptions(std::string_view json_text) {
  T options{};
  TRY(internal::ParseInto(json_text, OptionList<T>::Specs(), &options, internal::CheckOf<T>()));
  return options;
}

// The same on top of `base`: what the text does not name stays (PATCH).
template <class T>
Result<T> PatchOptions(std::string_view json_text, T base) {
  TRY(internal::ParseInto(json_text, OptionList<T>::Specs(), &base, internal::CheckOf<T>()));
  return base;
}

// As JSON text that ParseOptions reads again (unless redacted).
template <class T>
std::string OptionsText(const T& options, bool redact) {
  return internal::TextOf(OptionList<T>::Specs(), &options, redact);
}

}  // namespace tributary::config
