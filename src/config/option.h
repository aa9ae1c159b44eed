// Options are declared once, beside the code that reads them; validation, unknown-key errors with a
// suggestion, redaction, the reference page and the JSON schema all follow from the declaration.
//
//   struct Options {
//     std::string url;
//     config::Secret signing_secret;
//     MonoNanos timeout_ns = 15 * kNanosPerSecond;
//     static void Describe(config::OptionList<Options>& o) {
//       o.Required("url", &Options::url, "Where to send.");
//       o.Optional("signing_secret", &Options::signing_secret, "whsec_… of Standard Webhooks.");
//       o.Duration("timeout", &Options::timeout_ns, "Of one attempt.");
//     }
//   };
//   TRY_ASSIGN(Options options, config::ParseOptions<Options>(json_text));
//
// The same declarations read YAML (config/loader.h) and JSON (control API). Errors name the field
// with its path ("retry.schedule[1]") and say what would be right.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace tributary::config {

// A text that is never printed: no formatter, no stream operator, "***" in every export.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string value) : value_(std::move(value)) {}
  const std::string& Reveal() const { return value_; }  // at the moment of use only
  bool empty() const { return value_.empty(); }
  friend bool operator==(const Secret&, const Secret&) = default;

 private:
  std::string value_;
};
inline constexpr std::string_view kRedacted = "***";

// Any JSON value, kept as text for whoever knows its meaning (a pattern, a destination's options).
struct JsonText {
  std::string text;
  friend bool operator==(const JsonText&, const JsonText&) = default;
};

enum class OptionType {
  kString,
  kSecret,
  kBool,
  kInteger,
  kNumber,
  kDuration,
  kBytes,
  kEnum,
  kStringList,
  kSecretList,
  kDurationList,
  kStringMap,
  kSecretMap,
  kObject,
  kObjectList,
  kJson,
  kJsonList,
};
std::string_view OptionTypeName(OptionType type);

// One declared option, type-erased.
struct OptionSpec {
  std::string name;
  OptionType type = OptionType::kString;
  bool required = false;
  std::string help;
  std::string default_text;          // as it would be written; filled in from a default object
  std::vector<std::string> choices;  // kEnum
  std::vector<OptionSpec> children;  // kObject, kObjectList
  // Reads `value` into the object behind `target`; the error's field is relative to this option.
  std::function<Status(const nlohmann::json& value, void* target)> read;
  // Writes it back; secrets as "***" when `redact`.
  std::function<nlohmann::json(const void* target, bool redact)> write;
  std::function<void(void* target)> reset;  // back to the default: what an explicit null means
};

// Declarations of one options struct T; see option_list.h for the members (Required, Optional,
// Duration, Bytes, Enum, Durations, Object, …). Templates live there to keep this header light.
template <class T>
class OptionList;

// Reads an object by its specs: unknown keys ("did you mean …?"), missing required ones, wrong
// types. Options not named keep what `target` has, so reading into a copy of an existing object is
// a merge patch (RFC 7396): null goes back to the default, maps are merged, and a secret given as
// "***" stays what it was. On failure `target` may be half changed: read into a copy.
// The error is kInvalid, its field the path, its message a whole sentence that begins with it.
Status ReadObject(const std::vector<OptionSpec>& specs, const nlohmann::json& object, void* target);
nlohmann::json WriteObject(const std::vector<OptionSpec>& specs, const void* target, bool redact);

// The closest of `names` to `name` by edit distance, if close enough to be a slip of the pen.
std::string Suggestion(std::string_view name, const std::vector<std::string>& names);

}  // namespace tributary::config
