#include "sim/sim_fs.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace tributary::sim {

struct SimFs::Inode {
  std::string bytes;
  std::uint64_t durable_size = 0;
  // What stood in each sector when it was last synced, for those written since.
  std::map<std::uint64_t, std::array<char, kSectorBytes>> before;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> broken;  // ranges that cannot be read

  void Remember(std::uint64_t sector) {
    auto [at, fresh] = before.try_emplace(sector);
    if (!fresh) return;
    at->second.fill('\0');
    const std::uint64_t from = sector * kSectorBytes;
    if (from >= bytes.size()) return;
    const std::size_t size = std::min<std::uint64_t>(kSectorBytes, bytes.size() - from);
    std::memcpy(at->second.data(), bytes.data() + from, size);
  }
};

struct SimFs::Change {
  Call kind;  // kOpen: created; kRename; kRemove; kCreateDir
  std::string path;
  std::string to;  // of a rename
  InodePtr inode;
};

namespace {

std::string DirOf(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

const char* NameOf(Call call) {
  constexpr std::array<const char*, kCalls> names = {"open",      "read",     "write",
                                                     "fdatasync", "truncate", "fsync directory",
                                                     "rename",    "unlink",   "mkdir"};
  return names[static_cast<std::size_t>(call)];
}

}  // namespace

class SimFile final : public os::File {
 public:
  SimFile(SimFs& fs, std::string path, SimFs::InodePtr inode, bool writable)
      : fs_(fs),
        path_(std::move(path)),
        inode_(std::move(inode)),
        writable_(writable),
        generation_(fs.generation_) {}

  Result<std::size_t> ReadAt(std::uint64_t pos, std::span<char> out) const override {
    const std::lock_guard lock(fs_.mutex_);
    TRY(Alive());
    TRY(fs_.Enter(Call::kRead, path_));
    if (pos >= inode_->bytes.size()) return 0;
    const std::size_t size = std::min<std::uint64_t>(out.size(), inode_->bytes.size() - pos);
    for (const auto& [from, to] : inode_->broken) {
      if (pos < to && pos + size > from) {
        return Fail(ErrorCode::kIo, "read " + path_ + ": Input/output error");
      }
    }
    std::memcpy(out.data(), inode_->bytes.data() + pos, size);
    fs_.bytes_read_ += size;
    return size;
  }

  Status WriteAt(std::uint64_t pos, std::span<const std::string_view> parts) override {
    const std::lock_guard lock(fs_.mutex_);
    TRY(Alive());
    CHECK(writable_);
    std::uint64_t size = 0;
    for (const std::string_view part : parts) size += part.size();
    const Status may = fs_.EnterChange(Call::kWrite, path_);
    if (may) TRY(fs_.Grow(*inode_, pos + size, path_));
    // A write that fails may still have reached the page cache, whole or in part.
    std::uint64_t left = may ? size : size / 2;
    for (const std::string_view part : parts) {
      const std::uint64_t piece = std::min<std::uint64_t>(left, part.size());
      Put(pos, part.substr(0, piece));
      pos += piece;
      left -= piece;
    }
    return may;
  }

  Status SyncData() override {
    const std::lock_guard lock(fs_.mutex_);
    TRY(Alive());
    const Status may = fs_.EnterChange(Call::kSync, path_);
    if (!may) return may;
    if (fs_.ignore_syncs_) return {};
    inode_->before.clear();
    inode_->durable_size = inode_->bytes.size();
    return {};
  }

  Status Truncate(std::uint64_t size) override {
    const std::lock_guard lock(fs_.mutex_);
    TRY(Alive());
    CHECK(writable_);
    TRY(fs_.EnterChange(Call::kTruncate, path_));
    TRY(fs_.Grow(*inode_, size, path_));
    const std::uint64_t old = inode_->bytes.size();
    for (std::uint64_t at = size / kSectorBytes; fs_.track_ && at * kSectorBytes < old; ++at) {
      inode_->Remember(at);
    }
    if (size < old) fs_.used_ -= old - size;
    inode_->bytes.resize(size, '\0');
    return {};
  }

  Result<std::uint64_t> Size() const override {
    const std::lock_guard lock(fs_.mutex_);
    TRY(Alive());
    return inode_->bytes.size();
  }

 private:
  Status Alive() const {
    if (generation_ == fs_.generation_) return {};
    return Fail(ErrorCode::kIo, path_ + ": the machine was restarted meanwhile");
  }

  void Put(std::uint64_t pos, std::string_view bytes) {
    if (bytes.empty()) return;
    const std::uint64_t end = pos + bytes.size();
    for (std::uint64_t s = pos / kSectorBytes; fs_.track_ && s * kSectorBytes < end; ++s) {
      inode_->Remember(s);
    }
    if (end > inode_->bytes.size()) {
      fs_.used_ += end - inode_->bytes.size();
      inode_->bytes.resize(end, '\0');
    }
    std::memcpy(inode_->bytes.data() + pos, bytes.data(), bytes.size());
  }

  SimFs& fs_;
  const std::string path_;
  const SimFs::InodePtr inode_;
  const bool writable_;
  const std::uint64_t generation_;
};

SimFs::SimFs() = default;
SimFs::~SimFs() = default;

// ---- Calls

Status SimFs::Enter(Call call, const std::string& path) {
  const auto kind = static_cast<std::size_t>(call);
  const std::uint64_t count = counts_[kind]++;
  const std::string where = std::string(NameOf(call)) + " " + path + ": ";
  if (!powered_) return Fail(ErrorCode::kIo, where + "the power is off");
  for (const Fault& fault : faults_[kind]) {
    if (count < fault.from || count >= fault.to) continue;
    return Fail(fault.code, where + (fault.code == ErrorCode::kExhausted ? "No space left on device"
                                                                         : "Input/output error"));
  }
  return {};
}

Status SimFs::EnterChange(Call call, const std::string& path) {
  if (powered_ && power_off_at_ && changing_calls_ >= *power_off_at_) powered_ = false;
  ++changing_calls_;
  return Enter(call, path);
}

Status SimFs::Grow(const Inode& inode, std::uint64_t size, const std::string& path) {
  const std::uint64_t old = inode.bytes.size();
  if (size <= old || used_ + (size - old) <= capacity_) return {};
  return Fail(ErrorCode::kExhausted, "write " + path + ": No space left on device");
}

void SimFs::Record(Change change) {
  if (track_) changes_made_.push_back(std::move(change));
}

Result<std::unique_ptr<os::File>> SimFs::Open(const std::string& path, os::OpenMode mode) {
  const std::lock_guard lock(mutex_);
  const bool create = mode == os::OpenMode::kCreate;
  TRY(create ? EnterChange(Call::kOpen, path) : Enter(Call::kOpen, path));
  auto at = entries_.find(path);
  if (create) {
    if (at != entries_.end()) return Fail(ErrorCode::kConflict, "open " + path + ": File exists");
    if (DirOf(path) != "." && !entries_.contains(DirOf(path))) {
      return Fail(ErrorCode::kNotFound, "open " + path + ": No such file or directory");
    }
    at = entries_.emplace(path, std::make_shared<Inode>()).first;
    Record({Call::kOpen, path, {}, at->second});
  }
  if (at == entries_.end() || at->second == nullptr) {
    return Fail(ErrorCode::kNotFound, "open " + path + ": No such file or directory");
  }
  return std::make_unique<SimFile>(*this, path, at->second, mode != os::OpenMode::kRead);
}

Status SimFs::CreateDir(const std::string& path) {
  const std::lock_guard lock(mutex_);
  TRY(EnterChange(Call::kCreateDir, path));
  if (!entries_.emplace(path, nullptr).second) return {};
  Record({Call::kCreateDir, path, {}, nullptr});
  return {};
}

Status SimFs::SyncDir(const std::string& path) {
  const std::lock_guard lock(mutex_);
  TRY(EnterChange(Call::kSyncDir, path));
  if (ignore_dir_syncs_) return {};
  std::erase_if(changes_made_, [&](const Change& change) {
    return DirOf(change.path) == path || DirOf(change.to) == path;
  });
  std::erase_if(durable_, [&](const auto& entry) {
    return DirOf(entry.first) == path && !entries_.contains(entry.first);
  });
  for (const auto& [name, inode] : entries_) {
    if (DirOf(name) == path) durable_[name] = inode;
  }
  return {};
}

Status SimFs::Rename(const std::string& from, const std::string& to) {
  const std::lock_guard lock(mutex_);
  TRY(EnterChange(Call::kRename, from));
  const auto at = entries_.find(from);
  if (at == entries_.end()) {
    return Fail(ErrorCode::kNotFound, "rename " + from + ": No such file or directory");
  }
  const InodePtr inode = at->second;
  entries_.erase(at);
  if (const auto old = entries_.find(to); old != entries_.end() && old->second != nullptr) {
    used_ -= old->second->bytes.size();
  }
  entries_[to] = inode;
  Record({Call::kRename, from, to, inode});
  return {};
}

Status SimFs::Remove(const std::string& path) {
  const std::lock_guard lock(mutex_);
  TRY(EnterChange(Call::kRemove, path));
  const auto at = entries_.find(path);
  if (at == entries_.end()) {
    return Fail(ErrorCode::kNotFound, "unlink " + path + ": No such file or directory");
  }
  if (at->second != nullptr) used_ -= at->second->bytes.size();
  Record({Call::kRemove, path, {}, at->second});
  entries_.erase(at);
  return {};
}

Result<std::vector<std::string>> SimFs::List(const std::string& dir) {
  const std::lock_guard lock(mutex_);
  TRY(Enter(Call::kOpen, dir));
  if (!entries_.contains(dir)) return Fail(ErrorCode::kNotFound, "opendir " + dir);
  std::vector<std::string> names;
  for (const auto& [path, inode] : entries_) {
    if (DirOf(path) == dir && path != dir) names.push_back(path.substr(dir.size() + 1));
  }
  std::ranges::sort(names);
  return names;
}

bool SimFs::Exists(const std::string& path) {
  const std::lock_guard lock(mutex_);
  return entries_.contains(path);
}

Result<std::uint64_t> SimFs::FreeBytes(const std::string& /*path*/) {
  const std::lock_guard lock(mutex_);
  return used_ < capacity_ ? capacity_ - used_ : 0;
}

namespace {
class SimLock final : public os::DirLock {
 public:
  explicit SimLock(std::function<void()> release) : release_(std::move(release)) {}
  ~SimLock() override { release_(); }

 private:
  std::function<void()> release_;
};
}  // namespace

Result<std::unique_ptr<os::DirLock>> SimFs::LockDir(const std::string& dir) {
  const std::lock_guard lock(mutex_);
  if (!locks_.insert(dir).second) {
    return Fail(ErrorCode::kConflict, dir + " is in use by another process");
  }
  return std::make_unique<SimLock>([this, dir] {
    const std::lock_guard release(mutex_);
    locks_.erase(dir);
  });
}

// ---- Malice

void SimFs::CrashInode(Inode& inode, SimRandom& random) {
  const std::uint64_t now = inode.bytes.size();
  const std::uint64_t size = random.OneIn(2) ? now : inode.durable_size;
  std::string bytes = inode.bytes;
  bytes.resize(std::max(now, size), '\0');
  for (const auto& [sector, old] : inode.before) {
    const std::uint64_t from = sector * kSectorBytes;
    if (from >= bytes.size()) continue;
    const std::span at(bytes.data() + from,
                       std::min<std::uint64_t>(kSectorBytes, bytes.size() - from));
    const std::uint64_t fate = random.Below(3);
    if (fate == 0) std::memcpy(at.data(), old.data(), at.size());
    if (fate == 1) random.Fill({reinterpret_cast<unsigned char*>(at.data()), at.size()});
  }
  // A shorter durable size may come back although the file was cut: its sectors then come back too.
  bytes.resize(size, '\0');
  inode.bytes = std::move(bytes);
  inode.before.clear();
  inode.durable_size = size;
}

void SimFs::Crash(std::uint64_t seed) {
  const std::lock_guard lock(mutex_);
  SimRandom random(seed);
  const bool in_order = random.OneIn(2);  // a journal keeps a prefix; the worst disk any subset
  bool keep = true;
  for (const Change& change : changes_made_) {
    keep = in_order ? keep && !random.OneIn(4) : random.OneIn(2);
    if (!keep) continue;
    switch (change.kind) {
      case Call::kOpen:
      case Call::kCreateDir:
        durable_.emplace(change.path, change.inode);
        break;
      case Call::kRemove:
        durable_.erase(change.path);
        break;
      default: {
        const auto from = durable_.find(change.path);
        if (from == durable_.end() || from->second != change.inode) break;
        durable_.erase(from);
        durable_[change.to] = change.inode;
      }
    }
  }
  // Whatever stands in a directory that is gone, is gone.
  std::erase_if(durable_, [&](const auto& entry) {
    const std::string dir = DirOf(entry.first);
    return dir != "." && !dir.empty() && !durable_.contains(dir);
  });
  entries_ = durable_;
  changes_made_.clear();
  used_ = 0;
  for (const auto& [path, inode] : entries_) {
    if (inode == nullptr) continue;
    CrashInode(*inode, random);
    used_ += inode->bytes.size();
  }
  ++generation_;
  powered_ = true;
  power_off_at_.reset();
  locks_.clear();
}

void SimFs::Reboot() {
  const std::lock_guard lock(mutex_);
  durable_ = entries_;
  changes_made_.clear();
  for (const auto& [path, inode] : entries_) {
    if (inode == nullptr) continue;
    inode->before.clear();
    inode->durable_size = inode->bytes.size();
  }
  ++generation_;
  powered_ = true;
  power_off_at_.reset();
  locks_.clear();
}

void SimFs::PowerOffAfter(std::uint64_t calls) {
  const std::lock_guard lock(mutex_);
  power_off_at_ = changing_calls_ + calls;
}

bool SimFs::powered() const {
  const std::lock_guard lock(mutex_);
  return powered_;
}

void SimFs::FailCall(Call call, std::uint64_t nth, ErrorCode code, std::uint64_t times) {
  const std::lock_guard lock(mutex_);
  const auto kind = static_cast<std::size_t>(call);
  const std::uint64_t from = counts_[kind] + nth;
  faults_[kind].push_back({from, times > ~0ULL - from ? ~0ULL : from + times, code});
}

void SimFs::ClearFaults() {
  const std::lock_guard lock(mutex_);
  for (auto& faults : faults_) faults.clear();
}

std::uint64_t SimFs::calls(Call call) const {
  const std::lock_guard lock(mutex_);
  return counts_[static_cast<std::size_t>(call)];
}

std::uint64_t SimFs::bytes_read() const {
  const std::lock_guard lock(mutex_);
  return bytes_read_;
}

std::uint64_t SimFs::changes() const {
  const std::lock_guard lock(mutex_);
  return changing_calls_;
}

void SimFs::SetCapacity(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  capacity_ = bytes;
}

void SimFs::BreakRange(const std::string& path, std::uint64_t from, std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  entries_.at(path)->broken.emplace_back(from, from + bytes);
}

void SimFs::ForgetHistory() {
  Reboot();
  const std::lock_guard lock(mutex_);
  track_ = false;
}

// ---- Direct access

std::string SimFs::Bytes(const std::string& path) const {
  const std::lock_guard lock(mutex_);
  return entries_.at(path)->bytes;
}

void SimFs::SetBytes(const std::string& path, std::string bytes) {
  const std::lock_guard lock(mutex_);
  auto& inode = entries_[path];
  if (inode == nullptr) inode = std::make_shared<Inode>();
  used_ += bytes.size() - inode->bytes.size();
  inode->bytes = std::move(bytes);
  inode->before.clear();
  inode->durable_size = inode->bytes.size();
  durable_[path] = inode;
}

void SimFs::FlipBit(const std::string& path, std::uint64_t bit) {
  const std::lock_guard lock(mutex_);
  entries_.at(path)->bytes.at(bit / 8) ^= static_cast<char>(1 << bit % 8);
}

std::vector<std::string> SimFs::Files() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> paths;
  for (const auto& [path, inode] : entries_) {
    if (inode != nullptr) paths.push_back(path);
  }
  return paths;
}

std::unique_ptr<SimFs> SimFs::Clone() const {
  const std::lock_guard lock(mutex_);
  auto clone = std::make_unique<SimFs>();
  for (const auto& [path, inode] : entries_) {
    InodePtr copy;
    if (inode != nullptr) {
      copy = std::make_shared<Inode>();
      copy->bytes = inode->bytes;
      copy->durable_size = copy->bytes.size();
      clone->used_ += copy->bytes.size();
    }
    clone->entries_[path] = copy;
  }
  clone->durable_ = clone->entries_;
  clone->capacity_ = capacity_;
  return clone;
}

}  // namespace tributary::sim
