#include "bench/support/prewritten_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <climits>

#include "bench/support/die.h"

namespace tributary::bench {

PrewrittenFile::PrewrittenFile(const std::string& path, uint64_t bytes)
    : path_(path), bytes_(bytes), fd_(open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0644)) {
  if (fd_ < 0) DieErrno("open " + path);
  const std::string zeros(1 << 20, '\0');
  for (uint64_t at = 0; at < bytes;) {
    const size_t size = std::min<uint64_t>(zeros.size(), bytes - at);
    const ssize_t wrote = pwrite(fd_, zeros.data(), size, static_cast<off_t>(at));
    if (wrote <= 0) DieErrno("write zeros to " + path);
    at += static_cast<uint64_t>(wrote);
  }
  if (fsync(fd_) != 0) DieErrno("fsync " + path);
}

PrewrittenFile::~PrewrittenFile() {
  close(fd_);
  unlink(path_.c_str());
}

void PrewrittenFile::Append(std::vector<iovec>& parts) {
  uint64_t size = 0;
  for (const iovec& part : parts) size += part.iov_len;
  if (size > bytes_) Die("one append is larger than the file: give a larger --file-mib");
  if (at_ + size > bytes_) at_ = 0;
  for (size_t done = 0; done < parts.size();) {
    const size_t count = std::min<size_t>(parts.size() - done, IOV_MAX);
    WriteAll(parts.data() + done, count);
    done += count;
  }
}

void PrewrittenFile::WriteAll(iovec* parts, size_t count) {
  while (count > 0) {
    const ssize_t wrote = pwritev(fd_, parts, static_cast<int>(count), static_cast<off_t>(at_));
    if (wrote < 0) DieErrno("write " + path_);
    at_ += static_cast<uint64_t>(wrote);
    auto left = static_cast<size_t>(wrote);
    while (count > 0 && left >= parts->iov_len) {
      left -= parts->iov_len;
      ++parts;
      --count;
    }
    if (count > 0) {
      parts->iov_base = static_cast<char*>(parts->iov_base) + left;
      parts->iov_len -= left;
    }
  }
}

void PrewrittenFile::Sync() {
  if (fdatasync(fd_) != 0) DieErrno("fdatasync " + path_);
}

}  // namespace tributary::bench
