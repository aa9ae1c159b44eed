// LZ4 blocks (the block format, no frame around it): whoever stores one also stores how long it was
// before, and a checksum. Used for data at rest that is read far more often than it is written.
//
// No state: any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace tributary::codec {

// Replaces `out`, which keeps its capacity. At most 1 GiB.
void Lz4Compress(std::string_view bytes, std::string& out);

// Appends the `raw_bytes` bytes that `block` was made of; `out` is as it was after an error.
// kCorrupt: the block is damaged, or holds more or less than that.
Status Lz4Append(std::string_view block, std::size_t raw_bytes, std::string& out);

}  // namespace tributary::codec
