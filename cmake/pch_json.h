// For folders that read and write JSON: nlohmann::json, and what is compiled of it once.
//
// Every file that parses or prints JSON would otherwise compile the same parser (some six seconds
// of a processor). Here it is declared to exist elsewhere; json_instances.cc is the elsewhere.
#pragma once
#include "pch.h"

#include <nlohmann/json.hpp>

// A reader of one kind of text; nlohmann::json::parse takes this one of a string, that of a view.
#define TRIBUTARY_JSON_READER(EXTERN, JSON, INPUT)                                    \
  EXTERN template class nlohmann::detail::lexer<JSON, INPUT>;                         \
  EXTERN template class nlohmann::detail::parser<JSON, INPUT>;                        \
  EXTERN template bool nlohmann::detail::parser<JSON, INPUT>::sax_parse_internal(     \
      nlohmann::detail::json_sax_dom_parser<JSON>*);                                  \
  EXTERN template bool nlohmann::detail::parser<JSON, INPUT>::sax_parse_internal(     \
      nlohmann::detail::json_sax_dom_callback_parser<JSON>*);

#define TRIBUTARY_JSON(EXTERN, JSON)                                                             \
  EXTERN template class nlohmann::detail::serializer<JSON>;                                      \
  EXTERN template class nlohmann::detail::json_sax_dom_parser<JSON>;                             \
  EXTERN template class nlohmann::detail::json_sax_dom_callback_parser<JSON>;                    \
  EXTERN template JSON::basic_json(initializer_list_t, bool, nlohmann::detail::value_t);         \
  EXTERN template JSON::basic_json(const JSON&);                                                 \
  EXTERN template JSON::basic_json(nlohmann::detail::value_t);                                   \
  EXTERN template void JSON::json_value::destroy(nlohmann::detail::value_t);                     \
  EXTERN template std::string JSON::dump(int, char, bool, nlohmann::detail::error_handler_t) const; \
  EXTERN template class std::vector<JSON>;                                                       \
  TRIBUTARY_JSON_READER(EXTERN, JSON, nlohmann::detail::iterator_input_adapter<const char*>)     \
  TRIBUTARY_JSON_READER(EXTERN, JSON,                                                            \
                        nlohmann::detail::iterator_input_adapter<std::string::const_iterator>)

TRIBUTARY_JSON(extern, nlohmann::json)
TRIBUTARY_JSON(extern, nlohmann::ordered_json)
