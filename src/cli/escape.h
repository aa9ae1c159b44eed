// Text of strangers on a terminal: a webhook's body must not move the cursor, rename the window or
// write a line that looks like ours.
//
// Escaped are control characters (C0, DEL, C1) as \x1b or \u0085, what reorders or hides text
// (bidirectional controls, line and paragraph separators, the byte order mark) as \u202e, and every
// byte that is no UTF-8 as \xff. Backslashes are left alone: this is for reading, not for undoing.
// Pure functions.
#pragma once

#include <string>
#include <string_view>

namespace tributary::cli {

// For one line: newlines and tabs are escaped too, as \n, \r and \t.
std::string EscapeLine(std::string_view text);
// For a block: newlines and tabs stay.
std::string EscapeBlock(std::string_view text);

// The first of at most `bytes_max` bytes, not cut inside a UTF-8 character.
std::string_view CutText(std::string_view text, std::size_t bytes_max);

// How many columns a text that was escaped takes: its characters. Wide ones count as one.
std::size_t Columns(std::string_view text);

}  // namespace tributary::cli
