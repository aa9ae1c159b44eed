#include "codec/gzip.h"

#include <zlib.h>

#include <algorithm>

#include "base/check.h"

namespace tributary::codec {
namespace {

constexpr int kWindowBits = 15;
constexpr int kDetectBits = kWindowBits + 32;  // gzip or zlib, told from the header
constexpr int kGzipBits = kWindowBits + 16;
constexpr std::size_t kFirstOutBytes = 4096;

// zlib's state is 40 KiB of allocations: one per thread is kept and reset between bodies.
class Inflater {
 public:
  Inflater() { CHECK(inflateInit2(&stream_, kDetectBits) == Z_OK); }
  ~Inflater() { inflateEnd(&stream_); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  Status Run(std::string_view bytes, std::size_t out_bytes_max, std::string& out) {
    CHECK(inflateReset2(&stream_, kDetectBits) == Z_OK);
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    stream_.avail_in = static_cast<uInt>(bytes.size());
    std::size_t used = 0;
    for (std::size_t members = 1;; ++members) {
      TRY(OneMember(out_bytes_max, out, used));
      if (stream_.avail_in == 0) break;
      if (members == kGzipMembersMax) {
        return Fail(ErrorCode::kTooLarge,
                    "more than " + std::to_string(kGzipMembersMax) + " gzip members");
      }
      // Only gzip can be continued; a zlib stream has an end.
      CHECK(inflateReset2(&stream_, kGzipBits) == Z_OK);
    }
    out.resize(used);
    return {};
  }

 private:
  Status OneMember(std::size_t out_bytes_max, std::string& out, std::size_t& used) {
    for (;;) {
      MakeRoom(out_bytes_max, out, used);
      // One byte more than allowed may be produced: that is how "too large" is told from "full".
      unsigned char spill = 0;
      const bool full = used == out_bytes_max;
      stream_.next_out = full ? &spill : reinterpret_cast<Bytef*>(out.data() + used);
      stream_.avail_out = full ? 1u : static_cast<uInt>(out.size() - used);
      const uInt before = stream_.avail_out;
      const int status = inflate(&stream_, Z_NO_FLUSH);
      const std::size_t made = before - stream_.avail_out;
      if (full && made > 0) {
        return Fail(ErrorCode::kTooLarge,
                    "the body inflates to more than " + std::to_string(out_bytes_max) + " bytes");
      }
      used += made;
      if (status == Z_STREAM_END) return {};
      if (status == Z_OK && (stream_.avail_in > 0 || stream_.avail_out == 0)) continue;
      if (status == Z_OK || status == Z_BUF_ERROR) {
        return Fail(ErrorCode::kInvalid, "the compressed body ends too early");
      }
      return Fail(ErrorCode::kInvalid, "the compressed body is damaged");
    }
  }

  // Grows by what has come out so far: resizing to the whole capacity would clear it every time.
  static void MakeRoom(std::size_t out_bytes_max, std::string& out, std::size_t used) {
    if (used < out.size()) return;
    out.resize(std::min(std::max(used * 2, kFirstOutBytes), out_bytes_max));
  }

  z_stream stream_{};
};

std::string Compress(std::string_view bytes, int level, int window_bits) {
  z_stream stream{};
  CHECK(deflateInit2(&stream, level, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

}  // namespace

bool LooksLikeGzip(std::string_view bytes) {
  return bytes.starts_with("\x1F\x8B");
}

Status Inflate(std::string_view bytes, std::size_t out_bytes_max, std::string& out) {
  if (bytes.size() > UINT32_MAX) return Fail(ErrorCode::kTooLarge, "more than 4 GiB compressed");
  out.resize(std::min(out.size(), out_bytes_max));
  thread_local Inflater inflater;
  return inflater.Run(bytes, out_bytes_max, out);
}

std::string GzipCompress(std::string_view bytes, int level) {
  return Compress(bytes, level, kGzipBits);
}
std::string ZlibCompress(std::string_view bytes, int level) {
  return Compress(bytes, level, kWindowBits);
}

}  // namespace tributary::codec
