// By what `order: key` orders: the record's own key, or what stands at a path in its JSON.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "log/record.h"

namespace tributary::deliver {

inline constexpr std::size_t kOrderByBytesMax = 256;
inline constexpr std::size_t kOrderByDepthMax = 16;

// "properties.vin" → its names. Empty text: the record key, no names. kInvalid, field "order_by".
Result<std::vector<std::string>> ParseOrderBy(std::string_view path);

// A hash of the key, never 0. What stands at `path` if that is a number or a string that is not
// empty, as text; else the record key.
std::uint64_t OrderKey(const log::RecordView& record, const std::vector<std::string>& path);

}  // namespace tributary::deliver
