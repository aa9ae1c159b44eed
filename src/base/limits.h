// The limits that several folders share. Each has a test at the limit and one past it. Limits that
// belong to one folder stand in that folder's door.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tributary {

// Segment's published limits (collection-api.md, section 3): the defaults at the collection door.
inline constexpr std::size_t kEventBytesMax = 32 * 1024;
inline constexpr std::size_t kBatchBytesMax = 500 * 1024;
inline constexpr std::size_t kBatchEventsMax = 2'500;
inline constexpr std::size_t kMessageIdCharactersMax = 100;
inline constexpr std::size_t kJsonDepthMax = 64;

// What one record of the log may hold, whatever its kind.
inline constexpr std::size_t kRecordPayloadBytesMax = 8 * 1024 * 1024;
inline constexpr std::size_t kRecordStringBytesMax = 0xFFFF;  // each header string: a u16 length

}  // namespace tributary
