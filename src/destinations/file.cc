// file: appends each event as one line of JSON (NDJSON). A line is synced before its event counts
// as delivered; lines that gather while a sync runs share the next one.
#include <algorithm>

#include "deliver/destination.h"
#include "destinations/line_file.h"

namespace tributary::destinations {
namespace {

struct FileOptions {
  std::string path;
  static void Describe(config::OptionList<FileOptions>& o) {
    o.Optional("path", &FileOptions::path,
               "File below the root for files (DATA/files); default: the destination's name with "
               ".ndjson.");
  }
};

// Names may have any character; a file name made of one may not.
std::string FileNameOf(std::string name) {
  for (char& c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_';
    if (!plain) c = '_';
  }
  return name + ".ndjson";
}

class File final : public deliver::Destination {
 public:
  using OptionsType = FileOptions;

  static Status Check(const FileOptions& options, const deliver::CheckContext&) {
    return options.path.empty() ? Status{} : CheckRelativePath(options.path);
  }

  File(const FileOptions& options, const deliver::DestinationContext& context)
      : loop_(context.loop),
        blocking_(context.blocking),
        file_(LineFile::Open(*context.fs, context.files_root,
                             options.path.empty() ? FileNameOf(context.name) : options.path)) {}

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
    blocking_->Post([this, alive = std::weak_ptr<char>(alive_), loop = loop_, file = file_,
                     lines = std::exchange(lines_, {}),
                     waiting = std::exchange(waiting_, {})]() mutable {
      const Status written = file->Append(lines);
      loop->Post([this, alive, written, waiting = std::move(waiting)]() mutable {
        if (!alive.expired()) Finish(written, std::move(waiting));
      });
    });
  }

  void Finish(const Status& written, std::vector<Done> waiting) {
    flush_posted_ = !waiting_.empty();
    if (flush_posted_) Flush();
    const std::weak_ptr<char> alive = alive_;
    for (Done& done : waiting) {
      if (alive.expired()) return;
      done(written ? deliver::Outcome::Delivered()
                   : deliver::Outcome::Retry(written.error().ToString()));
    }
  }

  os::Executor* loop_;
  os::Executor* blocking_;
  std::shared_ptr<LineFile> file_;
  std::string lines_;
  std::vector<Done> waiting_;
  bool flush_posted_ = false;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

const deliver::DestinationRegistration kFile =
    deliver::Register<File>("file", "Appends each event as a line of JSON to a file.");

}  // namespace
}  // namespace tributary::destinations
