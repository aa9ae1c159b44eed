// file: appends each event as one line of JSON (NDJSON). A line is synced before its event counts
// as delivered; lines that gather while a sync runs share the next one. With `rotate` the lines go
// to files that appear whole (rotating_file.h).
#include <algorithm>

#include "base/hash.h"
#include "deliver/destination.h"
#include "destinations/rotating_file.h"

namespace tributary::destinations {
namespace {

constexpr std::int64_t kRotateBytesMax = std::int64_t{1} << 40;
constexpr MonoNanos kRotateEveryMin = kNanosPerSecond;
constexpr MonoNanos kRotateEveryMax = 366 * 24 * 3600 * kNanosPerSecond;

// Rotated files add their time, number and endings; file systems stop at 255.
constexpr std::size_t kEncodedNameBytesMax = 160;

struct RotateOptions {
  std::uint64_t bytes = 0;
  MonoNanos every_ns = 0;
  static void Describe(config::OptionList<RotateOptions>& o) {
    o.Bytes("bytes", &RotateOptions::bytes,
            "Size (before compression) at which a file is ended; 0: none.",
            {.min = 0, .max = kRotateBytesMax});
    o.Duration("every", &RotateOptions::every_ns,
               "Age, from its first line, at which a file is ended; 0s: none.",
               {.min = 0, .max = kRotateEveryMax});
  }
};

struct FileOptions {
  std::string path;
  RotateOptions rotate;
  Compression compression = Compression::kNone;
  static void Describe(config::OptionList<FileOptions>& o) {
    o.Optional("path", &FileOptions::path,
               "File below the root for files (DATA/files); default: the destination's name with "
               ".ndjson.");
    o.Object("rotate", &FileOptions::rotate,
             "When a file is ended and the next begun; their names then carry time and number.");
    o.Enum(
        "compression", &FileOptions::compression,
        {{"none", Compression::kNone}, {"gzip", Compression::kGzip}, {"zstd", Compression::kZstd}},
        "Of files that were ended; needs rotate.");
  }
};

bool Rotates(const FileOptions& options) {
  return options.rotate.bytes != 0 || options.rotate.every_ns != 0;
}

Status CheckFile(const FileOptions& options) {
  if (!options.path.empty()) TRY(CheckRelativePath(options.path));
  const RotateOptions& rotate = options.rotate;
  if (rotate.every_ns != 0 && rotate.every_ns < kRotateEveryMin) {
    return Fail(ErrorCode::kInvalid, "rotate.every", "rotate.every must be 0s or at least 1s");
  }
  if (!Rotates(options) && options.compression != Compression::kNone) {
    return Fail(ErrorCode::kInvalid, "compression",
                "compression needs rotate.bytes or rotate.every: only ended files are compressed");
  }
  return {};
}

// Names may have any character; a file name made of one may not. What is not plain becomes %XX, so
// that no two names share a file; what gets too long for a file name ends in a hash.
std::string FileNameOf(std::string_view name) {
  static constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string file;
  for (const char c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || (c == '.' && !file.empty());
    if (plain) {
      file += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    file += {'%', kHex[byte >> 4], kHex[byte & 0xF]};
  }
  if (file.size() > kEncodedNameBytesMax) {
    file = file.substr(0, kEncodedNameBytesMax / 2) + "%-" + HashOf128(name).ToHex();
  }
  return file + ".ndjson";
}

std::shared_ptr<LineSink> OpenSink(const FileOptions& options,
                                   const deliver::DestinationContext& context) {
  const std::string path = options.path.empty() ? FileNameOf(context.name) : options.path;
  const Rotation rotation{.bytes = options.rotate.bytes,
                          .every_ns = options.rotate.every_ns,
                          .compression = options.compression};
  if (!Rotates(options)) {
    return LineFile::Open(*context.fs, context.files_root, path);
  }
  return RotatingFile::Open(*context.fs, *context.clock, context.files_root, path, rotation);
}

class File final : public deliver::Destination {
 public:
  using OptionsType = FileOptions;

  static Status Check(const FileOptions& options, const deliver::CheckContext&) {
    return CheckFile(options);
  }

  File(const FileOptions& options, const deliver::DestinationContext& context)
      : loop_(context.loop),
        blocking_(context.blocking),
        sink_(OpenSink(options, context)),
        rotates_(Rotates(options)) {
    TickSoon();  // a crash may have left files to be ended
  }
  ~File() override {
    if (timer_ != 0) loop_->Cancel(timer_);
    // Another instance may be going on with it: then it only begins its next file a little early.
    if (!rotates_) return;
    blocking_->Post([blocking = blocking_, sink = sink_] {
      sink->End();
      EndAll(blocking, sink);
    });
  }

  void Deliver(const deliver::Delivery& delivery, Done done) override {
    AddLine(delivery.body);
    waiting_.push_back(std::move(done));
    if (std::exchange(flush_posted_, true)) return;
    // Later on the loop, so that what the lane sends in this turn goes together.
    loop_->Post([this, alive = std::weak_ptr<char>(alive_)] {
      if (!alive.expired()) Flush();
    });
  }

 private:
  // JSON may have line breaks only between its tokens, where a space says the same.
  void AddLine(std::string_view payload) {
    const std::size_t begin = lines_.size();
    lines_ += payload;
    std::replace_if(
        lines_.begin() + static_cast<std::ptrdiff_t>(begin), lines_.end(),
        [](char c) { return c == '\n' || c == '\r'; }, ' ');
    lines_ += '\n';
  }

  void Flush() {
    blocking_->Post([this, alive = std::weak_ptr<char>(alive_), loop = loop_, sink = sink_,
                     lines = std::exchange(lines_, {}),
                     waiting = std::exchange(waiting_, {})]() mutable {
      const Status written = sink->Append(lines);
      loop->Post([this, alive, written, waiting = std::move(waiting)]() mutable {
        if (!alive.expired()) Finish(written, std::move(waiting));
      });
    });
  }

  // Piece by piece, so that others' files are not held up; later where that fails, because nobody
  // looks for the files of a destination that was deleted.
  static void EndAll(os::Executor* blocking, const std::shared_ptr<LineSink>& sink) {
    const std::optional<MonoNanos> wait = sink->Tick();
    if (!wait || sink->ended()) return;
    auto again = [blocking, sink] { EndAll(blocking, sink); };
    if (*wait == 0) return blocking->Post(std::move(again));
    blocking->At(blocking->Now() + *wait, std::move(again));
  }

  // On the blocking thread, one piece; then again when it wants to be called.
  void TickSoon() {
    if (!rotates_ || std::exchange(ticking_, true)) return;
    blocking_->Post([this, alive = std::weak_ptr<char>(alive_), loop = loop_, sink = sink_] {
      const std::optional<MonoNanos> wait = sink->Tick();
      loop->Post([this, alive, wait] {
        if (!alive.expired()) TickAfter(wait);
      });
    });
  }

  void TickAfter(std::optional<MonoNanos> wait) {
    ticking_ = false;
    if (timer_ != 0) loop_->Cancel(std::exchange(timer_, 0));
    if (!wait) return;
    if (*wait == 0) return TickSoon();
    timer_ = loop_->At(loop_->Now() + *wait, [this] {
      timer_ = 0;
      TickSoon();
    });
  }

  void Finish(const Status& written, std::vector<Done> waiting) {
    flush_posted_ = !waiting_.empty();
    if (flush_posted_) Flush();
    TickSoon();
    const std::weak_ptr<char> alive = alive_;
    for (Done& done : waiting) {
      if (alive.expired()) return;
      done(written ? deliver::Outcome::Delivered()
                   : deliver::Outcome::Retry(written.error().ToString()));
    }
  }

  os::Executor* loop_;
  os::Executor* blocking_;
  std::shared_ptr<LineSink> sink_;
  std::string lines_;
  std::vector<Done> waiting_;
  bool flush_posted_ = false;
  const bool rotates_;
  bool ticking_ = false;
  os::Executor::TimerId timer_ = 0;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

const deliver::DestinationRegistration kFile = deliver::Register<File>(
    "file", "Appends each event as a line of JSON to a file, or to files that are rotated.");

}  // namespace
}  // namespace tributary::destinations
