// JSON text without a parser: writing strings, undoing escapes, picking a few fields out of text
// that is known to be well-formed (canonical payloads are, by construction).
//
// Pure functions; thread-safe. Texts to be judged go through event/json_document.h instead.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace tributary::event {

// Appends `text` as a JSON string with its quotes. Only what RFC 8259 demands is escaped, so that
// UTF-8 stays readable; `text` must be valid UTF-8.
void AppendJsonString(std::string& out, std::string_view text);

// The characters between the quotes of a well-formed JSON string, escapes undone. Half a surrogate
// pair becomes U+FFFD.
void AppendUnescaped(std::string& out, std::string_view inside);
// The same without a copy where there is nothing to undo: a view of `inside` or of `scratch`.
std::string_view Unescaped(std::string_view inside, std::string& scratch);

// For each of `names` the raw text of that top-level field of `object` (strings with their quotes),
// or an empty view. Of repeated fields the last counts, as in JavaScript. `object` must be a
// well-formed JSON object; names with escapes are compared undone.
void FindRawFields(std::string_view object, std::span<const std::string_view> names,
                   std::span<std::string_view> raw);
std::string_view FindRawField(std::string_view object, std::string_view name);

// The text of a raw field if it is a string, else false.
bool RawStringText(std::string_view raw, std::string& text);

}  // namespace tributary::event
