#include "os/process.h"

#include <dirent.h>
#include <link.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>

extern char** environ;

namespace tributary::os {

void IgnoreFatalSignals() {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
}

std::uint64_t RaiseDescriptorLimit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  if (limit.rlim_cur < limit.rlim_max) {
    rlimit raised = limit;
    raised.rlim_cur = limit.rlim_max;
    if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
  }
  return limit.rlim_cur;
}

struct SignalWatch::Impl {
  explicit Impl(AsioLoop& loop) : set(loop.context(), SIGTERM, SIGINT, SIGHUP) {}
  boost::asio::signal_set set;
  std::function<void()> terminate;
  std::function<void()> reload;

  void Wait() {
    set.async_wait([this](const boost::system::error_code& error, int number) {
      if (error) return;
      (number == SIGHUP ? reload : terminate)();
      Wait();
    });
  }
};

SignalWatch::SignalWatch(AsioLoop& loop, std::function<void()> handler,
                         std::function<void()> reload)
    : impl_(std::make_unique<Impl>(loop)) {
  impl_->terminate = std::move(handler);
  impl_->reload = std::move(reload);
  impl_->Wait();
}

SignalWatch::~SignalWatch() = default;

std::optional<std::string> Environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr) return std::nullopt;
  return value;
}

std::vector<std::pair<std::string, std::string>> EnvironmentWithPrefix(const std::string& prefix) {
  std::vector<std::pair<std::string, std::string>> found;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos || !text.starts_with(prefix)) continue;
    found.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  return found;
}

bool StandardErrorIsTerminal() {
  return ::isatty(STDERR_FILENO) == 1;
}

std::uint64_t ResidentBytes() {
  std::FILE* file = std::fopen("/proc/self/statm", "re");
  if (file == nullptr) return 0;
  unsigned long total = 0;
  unsigned long resident = 0;
  const int fields = std::fscanf(file, "%lu %lu", &total, &resident);
  std::fclose(file);
  return fields == 2 ? resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) : 0;
}

std::uint64_t OpenDescriptors() {
  DIR* handle = ::opendir("/proc/self/fd");
  if (handle == nullptr) return 0;
  std::uint64_t count = 0;
  while (::readdir(handle) != nullptr) ++count;
  ::closedir(handle);
  return count < 3 ? 0 : count - 3;  // ".", ".." and the directory itself
}

unsigned Cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  const int count = CPU_COUNT(&set);
  return count < 1 ? 1 : static_cast<unsigned>(count);
}

std::string ProcessId() {
  return std::to_string(::getpid());
}

void NameThread(const std::string& name) {
  ::pthread_setname_np(::pthread_self(), name.substr(0, 15).c_str());
}

void LimitHeaps(unsigned heaps_max) {
  const unsigned heaps = heaps_max != 0 ? heaps_max : Cores() + 1;
  ::mallopt(M_ARENA_MAX, static_cast<int>(heaps));
}

void TrimHeap() {
  ::malloc_trim(0);
}

namespace {

// Only segments that nobody may write: dropping a page that was written to, such as one with
// relocations, would lose what is in it.
int ReleaseCodeOf(dl_phdr_info* object, std::size_t, void*) {
  const bool from_kernel = std::string_view(object->dlpi_name).starts_with("linux-vdso");
  if (from_kernel) return 0;
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    const ElfW(Phdr)& part = object->dlpi_phdr[i];
    if (part.p_type != PT_LOAD || part.p_flags != (PF_R | PF_X)) continue;
    const std::uintptr_t begin = object->dlpi_addr + part.p_vaddr;
    const std::uintptr_t first = begin / page * page;
    // The loader says where it is as a number. NOLINTNEXTLINE(performance-no-int-to-ptr)
    void* const pages = reinterpret_cast<void*>(first);
    ::madvise(pages, begin + part.p_memsz - first, MADV_DONTNEED);  // advice: may fail
  }
  return 0;
}

}  // namespace

void ReleaseCodePages() {
  ::dl_iterate_phdr(ReleaseCodeOf, nullptr);
}

void ExitNow(int code) {
  ::_exit(code);
}

}  // namespace tributary::os
