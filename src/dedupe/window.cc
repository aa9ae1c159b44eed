#include "dedupe/window.h"

#include <algorithm>
#include <bit>
#include <mutex>

#include "base/check.h"

namespace tributary::dedupe {

void Window::Add(const RunPtr& run, const std::vector<IdEntry>* entries) {
  CHECK(runs_.empty() || runs_.back()->info().end <= run->info().first);
  const bool load = entries != nullptr && !waiting();
  runs_.push_back(run);
  if (!load) return;
  Fill(run, *entries);
  ++loaded_;
}

void Window::Put(const RunPtr& run) {
  damaged_ = nullptr;
  const auto same = [&](const RunPtr& other) { return other->info().first == run->info().first; };
  if (std::ranges::any_of(runs_, same)) {
    std::ranges::replace_if(runs_, same, run);
    const std::unique_lock lock(generations_mutex_);
    for (Generation& generation : generations_) std::ranges::replace_if(generation.runs, same, run);
    return;
  }
  const auto after = std::ranges::upper_bound(
      runs_, run->info().first, {}, [](const RunPtr& other) { return other->info().first; });
  const auto place = static_cast<std::size_t>(after - runs_.begin());
  if (place < loaded_) return;  // older than what is loaded: it was outside the window already
  runs_.insert(after, run);
}

void Window::Prefetch(const Hash128& id) const {
  for (const Generation& generation : generations_) {
    if (generation.filter != nullptr) generation.filter->Prefetch(id);
  }
}

// Newest first: the latest original decides, and if that is too old the earlier ones are too.
Result<bool> Window::SeenBefore(const Hash128& id, const Moment& moment) {
  for (std::size_t i = runs_.size(); i > loaded_; --i) {
    TRY_ASSIGN(const Answer answer, Ask(runs_[i - 1], id, moment));
    if (answer != Answer::kAbsent) return answer == Answer::kRepeat;
  }
  for (auto generation = generations_.rbegin(); generation != generations_.rend(); ++generation) {
    std::uint64_t perhaps = generation->RunsOf(id);
    while (perhaps != 0) {
      const auto newest = static_cast<unsigned>(std::bit_width(perhaps) - 1);
      perhaps ^= 1ULL << newest;
      TRY_ASSIGN(const Answer answer, Ask(generation->runs[newest], id, moment));
      if (answer != Answer::kAbsent) return answer == Answer::kRepeat;
    }
  }
  return false;
}

void Window::KeepThoseThatMayHold(std::span<const Hash128> ids, As as,
                                  std::vector<RunPtr>& runs) const {
  std::vector<const Run*> without;
  {
    const std::shared_lock lock(generations_mutex_);
    for (const Generation& generation : generations_) {
      if (generation.filter == nullptr) continue;
      std::uint64_t originals = 0;
      for (const Hash128& id : ids) originals |= generation.filter->RunsOf(id);
      for (std::size_t i = 0; i < generation.runs.size(); ++i) {
        const auto repeated = [&](const Hash128& id) { return generation.repeats[i].MayHold(id); };
        if ((originals >> i & 1) != 0) continue;
        if (as == As::kAny && std::ranges::any_of(ids, repeated)) continue;
        without.push_back(generation.runs[i].get());
      }
    }
  }
  std::ranges::sort(without);
  std::erase_if(runs,
                [&](const RunPtr& run) { return std::ranges::binary_search(without, run.get()); });
}

Result<Window::Answer> Window::Ask(const RunPtr& run, const Hash128& id, const Moment& moment) {
  if (run->info().end > moment.run_first || Outside(run->info(), moment)) return Answer::kAbsent;
  ++counts_.searched;
  auto found = run->LatestOriginal(id);
  if (!found) {
    if (found.error().code() != ErrorCode::kExhausted) damaged_ = run;
    return Fail(found.error());
  }
  if (!found->has_value()) return Answer::kAbsent;
  ++counts_.found;
  const std::int64_t age_s = moment.received_s - run->ReceivedAt(**found);
  return age_s <= options_.window_s ? Answer::kRepeat : Answer::kTooOld;
}

bool Window::Outside(const RunInfo& run, const Moment& moment) const {
  return moment.received_s - run.newest_s > options_.window_s ||
         moment.ids_before >= run.ids_end() + options_.max_ids;
}

void Window::Advance(const Moment& moment) {
  while (!runs_.empty() && Outside(runs_.front()->info(), moment)) {
    const bool aged = moment.received_s - runs_.front()->info().newest_s > options_.window_s;
    ++(aged ? counts_.closed_by_age : counts_.closed_by_ids);
    if (!generations_.empty() && generations_.front().runs.back() == runs_.front()) {
      const std::unique_lock lock(generations_mutex_);
      generations_.pop_front();
    }
    runs_.pop_front();
    if (loaded_ > 0) --loaded_;
  }
}

Status Window::LoadOne() {
  CHECK(waiting());
  const RunPtr run = runs_[loaded_];
  auto entries = run->ReadAll();
  if (!entries) {
    if (entries.error().code() != ErrorCode::kExhausted) damaged_ = run;
    return Fail(entries.error());
  }
  Fill(run, *entries);
  ++loaded_;
  return {};
}

void Window::Fill(const RunPtr& run, const std::vector<IdEntry>& entries) {
  RepeatSet repeats(entries);
  const std::unique_lock lock(generations_mutex_);
  Generation& generation = GenerationFor(run->info().originals);
  const auto number = static_cast<unsigned>(generation.runs.size());
  generation.runs.push_back(run);
  generation.repeats.push_back(std::move(repeats));
  constexpr std::size_t kAhead = 16;  // each id is a cache line that nobody has touched lately
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (i + kAhead < entries.size()) generation.filter->Prefetch(entries[i + kAhead].id);
    if (!entries[i].duplicate()) generation.filter->Add(entries[i].id, number);
  }
}

Window::Generation& Window::GenerationFor(std::size_t ids) {
  if (generations_.empty() || generations_.back().filter == nullptr ||
      generations_.back().runs.size() == IdFilter::kRunsMax ||
      generations_.back().filter->room() < ids) {
    auto filter = std::make_unique<IdFilter>(NextCells(ids), options_.seed);
    MakeRoom(filter->bytes());
    generations_.push_back({std::move(filter), {}, {}});
  }
  return generations_.back();
}

void Window::MakeRoom(std::size_t bytes) {
  for (auto oldest = generations_.begin();
       oldest != generations_.end() && filter_bytes() + bytes > options_.filter_bytes_max;
       ++oldest) {
    oldest->filter = nullptr;
  }
}

// Twice the last if that was full; if it was closed by its number of runs (few ids in each), what
// such runs need. So memory follows the ids, whatever their segments look like.
std::size_t Window::NextCells(std::size_t ids) const {
  const std::size_t most = options_.filter_bytes_max / kGenerations / 2;
  std::size_t cells = std::min(kFirstCells, most / kGenerations);
  if (!generations_.empty() && generations_.back().filter != nullptr) {
    const IdFilter& last = *generations_.back().filter;
    const bool full = generations_.back().runs.size() < IdFilter::kRunsMax;
    cells = full ? last.cells() * 2 : last.size() * 5 / 3;
  }
  return std::max(std::clamp(cells, kFewestCells, std::max(kFewestCells, most)), ids * 4 / 3 + 4);
}

std::size_t Window::filter_bytes() const {
  std::size_t bytes = 0;
  for (const Generation& generation : generations_) {
    if (generation.filter != nullptr) bytes += generation.filter->bytes();
  }
  return bytes;
}

std::int64_t Window::oldest_s(std::int64_t otherwise) const {
  return runs_.empty() ? otherwise : runs_.front()->info().base_s;
}

}  // namespace tributary::dedupe
