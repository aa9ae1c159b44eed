// Responses as bytes. Appends to the connection's one output string, so that the answers of
// pipelined requests leave in one write. Pure.
#pragma once

#include <string>
#include <string_view>

#include "http/message.h"

namespace tributary::http {

struct WriteMode {
  bool head_only = false;  // the request was HEAD: the length is told, the body left out
  bool close = false;      // say that the connection ends here
  bool http11 = true;      // streams to older clients end with the connection
};

// Control bytes in header names and values become spaces: a value that quotes a caller must not be
// able to end the header.
void AppendResponse(std::string& out, const Response& response, WriteMode mode);

// A canned answer, whole; `Connection: close` is put in where the connection ends.
void AppendCanned(std::string& out, std::string_view bytes, WriteMode mode);

// The head of a stream (chunked, unless the client is older), its pieces and its end.
void AppendStreamHead(std::string& out, const Response& head, WriteMode mode);
void AppendChunk(std::string& out, std::string_view piece, WriteMode mode);
void AppendStreamEnd(std::string& out, WriteMode mode);

}  // namespace tributary::http
