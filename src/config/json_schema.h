// JSON Schemas (2020-12, as OpenAPI 3.1 takes them) written in a line, beside the route whose
// bodies and answers they describe; and the schema of declared options, made from their
// declarations.
//
// A schema is its JSON text, so that whoever declares one needs no JSON library. Pure; thread-safe.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "config/option.h"

namespace tributary::config::schema {

using Schema = std::string;

Schema Anything();
Schema Text();
Schema Flag();
Schema Always(bool value);
Schema Count();   // a whole number, not negative
Schema Number();  // any
Schema Time();    // ISO 8601
Schema Word(std::initializer_list<std::string_view> words);
Schema AnyObject();

Schema OrNull(const Schema& schema);
Schema Either(const Schema& a, const Schema& b);
Schema ListOf(const Schema& entry);
Schema MapOf(const Schema& value);

struct Member {
  std::string_view name;  // with a '?' behind it: it may be absent
  Schema schema;
};
// An object of these members and no others.
Schema Object(std::initializer_list<Member> members);
// The same, explained to whoever reads the document.
Schema Described(const Schema& schema, std::string_view text);
// The same with more members.
Schema With(const Schema& object, std::initializer_list<Member> members);
// The same, of which these must be there.
Schema Requiring(const Schema& object, std::initializer_list<std::string_view> names);
// The same, with whatever other members.
Schema Open(const Schema& object);
// {"data":[…],"next_cursor":…}, as every list answers. Of a named entry: named, "…Page".
Schema PageOf(const Schema& entry);
// The OpenAPI document keeps it once, under this name. One name is one schema, everywhere.
Schema Named(std::string_view name, const Schema& schema);

// What may be written (null goes back to a default, required ones must be there) …
Schema OptionsToWrite(const std::vector<OptionSpec>& specs);
// … the same of a change, where nothing must be there …
Schema OptionsToChange(const std::vector<OptionSpec>& specs);
// … and what is shown: secrets as "***", what is not set may be absent.
Schema OptionsShown(const std::vector<OptionSpec>& specs);

}  // namespace tributary::config::schema
