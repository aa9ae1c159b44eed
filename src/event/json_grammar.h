// The second stage of event/json_document.h: is this row of tokens one JSON text? Private to
// event/.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace tributary::event {

struct GrammarInput {
  std::string_view text;
  // Where each token begins, in order, none inside a string; starts[tokens] == text.size().
  const std::uint32_t* starts = nullptr;
  std::uint32_t tokens = 0;
  // Out: for each token that opens an object or array, the token that closes it.
  std::uint32_t* closes = nullptr;
};

struct GrammarFault {
  std::string_view what;
  std::size_t at = 0;  // byte
};

// Nothing when the text is well-formed. `lone_surrogates` gets the position of the four hex digits
// of each \u escape that is half a pair; `first_backslash` where the first one is, text.size() if
// there is none.
std::optional<GrammarFault> CheckGrammar(const GrammarInput& input,
                                         std::vector<std::size_t>& lone_surrogates,
                                         std::size_t& first_backslash);

}  // namespace tributary::event
