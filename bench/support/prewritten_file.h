#pragma once

// A file whose bytes were written (as zeros) and synced before the measurement, which then writes
// it from start to end and over again. A file that grows, or that was only fallocated, makes every
// sync 1.5 to 2 times dearer (it must also change metadata), and the bounds must not be slower than
// the disk allows. Thread: one. Every failure is Die.

#include <sys/uio.h>

#include <cstdint>
#include <string>
#include <vector>

namespace tributary::bench {

class PrewrittenFile {
 public:
  // Writes and syncs `bytes` zeros at `path`; the file is removed when the object goes.
  PrewrittenFile(const std::string& path, uint64_t bytes);
  ~PrewrittenFile();
  PrewrittenFile(const PrewrittenFile&) = delete;
  PrewrittenFile& operator=(const PrewrittenFile&) = delete;

  // Writes all of `parts` behind what was written last; not durable before Sync.
  void Append(std::vector<iovec>& parts);
  void Sync();

 private:
  void WriteAll(iovec* parts, size_t count);

  std::string path_;
  uint64_t bytes_;
  uint64_t at_ = 0;
  int fd_;
};

}  // namespace tributary::bench
