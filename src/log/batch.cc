#include "log/batch.h"

#include <limits>

#include "base/check.h"
#include "base/limits.h"
#include "log/frame.h"

namespace tributary::log {
namespace {

// Positions in a batch are 32 bits wide; half of their range leaves room for any one frame.
constexpr std::size_t kBatchFrameBytesMax = std::numeric_limits<std::uint32_t>::max() / 2;

Status CheckString(std::string_view text, const char* name) {
  if (text.size() <= kRecordStringBytesMax) return {};
  return Fail(ErrorCode::kTooLarge, name,
              std::string(name) + " has " + std::to_string(text.size()) + " bytes, limit " +
                  std::to_string(kRecordStringBytesMax));
}

}  // namespace

Status Batch::Add(const RecordFields& fields, std::span<const std::string_view> parts) {
  TRY(CheckString(fields.key, "key"));
  TRY(CheckString(fields.name, "name"));
  TRY(CheckString(fields.message_id, "message_id"));
  TRY(CheckString(fields.correlation_id, "correlation_id"));
  std::size_t payload_bytes = 0;
  for (const std::string_view part : parts) payload_bytes += part.size();
  if (payload_bytes > kRecordPayloadBytesMax) {
    return Fail(ErrorCode::kTooLarge, "payload",
                "the payload has " + std::to_string(payload_bytes) + " bytes, limit " +
                    std::to_string(kRecordPayloadBytesMax));
  }
  if (bytes_.size() > kBatchFrameBytesMax) {
    return Fail(ErrorCode::kTooLarge,
                "the batch holds more than " + std::to_string(kBatchFrameBytesMax) + " bytes");
  }
  starts_.push_back(static_cast<std::uint32_t>(bytes_.size()));
  EncodeRecord(fields, parts, payload_bytes, bytes_);
  return {};
}

void Batch::RollBack(Mark mark) {
  CHECK_OP(mark.bytes, <=, bytes_.size());
  CHECK_OP(mark.records, <=, starts_.size());
  bytes_.resize(mark.bytes);
  starts_.resize(mark.records);
}

}  // namespace tributary::log
