#include "route/jq_pool.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/check.h"
#include "base/hash.h"
#include "route/decimal.h"
#include "route/jq_literals.h"

namespace tributary::route {
namespace {

constexpr std::size_t kTogetherMax = 32;
constexpr std::size_t kLinesKept = 1'000;
constexpr std::size_t kNumberShown = 100;  // bytes of it
constexpr std::size_t kTrustedMax = 100'000;
constexpr std::chrono::seconds kIdleMax{60};

Error NumberWouldChange(std::string_view event, std::string_view number) {
  const std::string path = PathOfNumber(event, number);
  return {ErrorCode::kInvalid, "the number " + std::string(number.substr(0, kNumberShown)) +
                                   (path.empty() ? "" : " at " + path) +
                                   " of the event would change in jq, which keeps 17 digits"};
}

}  // namespace

JqPool::JqPool(JqPoolOptions options, StartThread start_thread)
    : options_(std::move(options)),
      start_thread_(std::move(start_thread)),
      checker_(options_.process) {
  quick_.name = "programs";
  quick_.threads_max = std::max<std::size_t>(options_.workers, 1);
  slow_.name = "slow-programs";
}

JqPool::~JqPool() {
  CHECK(quick_.threads == 0 && slow_.threads == 0);
}

Status JqPool::Check(std::string_view program) {
  if (program.size() > kJqProgramBytesMax) {
    return Fail(ErrorCode::kInvalid,
                "a program has at most " + std::to_string(kJqProgramBytesMax) + " bytes");
  }
  if (const auto number = FirstInexactLiteral(program)) {
    return Fail(ErrorCode::kInvalid, "the number " + number->substr(0, kNumberShown) +
                                         " would change in jq, which keeps 17 digits");
  }
  const std::lock_guard lock(check_mutex_);
  const std::string hash = HashOf128(program).ToHex();
  if (trusted_.contains(hash)) return {};
  const auto answer = checker_.Ask({.task = JqTask::kCompile, .program = program, .input = {}});
  checker_.Stop();  // changes are rare, and a process has megabytes
  if (!answer) return std::unexpected(answer.error());
  if (trusted_.size() < kTrustedMax) trusted_.insert(hash);
  return {};
}

void JqPool::Trust(std::string_view program) {
  const std::lock_guard lock(check_mutex_);
  if (trusted_.size() < kTrustedMax) trusted_.insert(HashOf128(program).ToHex());
}

void JqPool::Run(JqTask task, std::shared_ptr<const std::string> program, std::string input,
                 Done done) {
  {
    // Threads are asked for with the lock held: after Close() none is.
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    if (waiting_ < kJqWaitingMax && waiting_bytes_ + input.size() <= kJqWaitingBytesMax) {
      ++waiting_;
      waiting_bytes_ += input.size();
      const LinePtr line = LineOf(std::move(program));
      line->waiting.push_back({.task = task, .input = std::move(input), .done = std::move(done)});
      Queue(line);
      HireFor(CrewOf(*line));
      return;
    }
  }
  done(Fail(ErrorCode::kUnavailable, "too many programs wait for their turn"));
}

void JqPool::HireFor(Crew& crew) {
  if (crew.lines.size() <= crew.idle || crew.threads >= crew.threads_max) return;
  ++crew.threads;
  start_thread_(crew.name, [this, &crew] { Work(crew); });
}

JqPool::LinePtr JqPool::LineOf(std::shared_ptr<const std::string> program) {
  if (const auto found = line_of_.find(*program); found != line_of_.end()) return found->second;
  if (line_of_.size() >= kLinesKept) {
    std::erase_if(line_of_, [](const auto& entry) {
      return entry.second->waiting.empty() && entry.second->running == 0;
    });
  }
  auto line = std::make_shared<Line>();
  line->program = std::move(program);
  line_of_[*line->program] = line;
  return line;
}

// A program that has not proved itself runs once at a time, so that its first run cannot hold all
// processes.
void JqPool::Queue(const LinePtr& line) {
  if (line->queued || line->waiting.empty()) return;
  if (line->together == 1 && line->running > 0) return;
  line->queued = true;
  Crew& crew = CrewOf(*line);
  crew.lines.push_back(line);
  crew.wake.notify_one();
}

void JqPool::Work(Crew& crew) {
  JqProcess process(options_.process);
  std::unique_lock lock(mutex_);
  while (const LinePtr line = NextLine(crew, lock, process)) {
    std::deque<Job> jobs = TakeJobs(*line);
    ++line->running;
    Queue(line);
    lock.unlock();
    std::deque<Job> left = RunJobs(*line, std::move(jobs), process);
    lock.lock();
    --line->running;
    while (!left.empty()) {
      ++waiting_;
      waiting_bytes_ += left.back().input.size();
      line->waiting.push_front(std::move(left.back()));
      left.pop_back();
    }
    Queue(line);
    if (!closed_) HireFor(CrewOf(*line));
  }
  --crew.threads;
}

JqPool::LinePtr JqPool::NextLine(Crew& crew, std::unique_lock<std::mutex>& lock,
                                 JqProcess& process) {
  while (!closed_) {
    while (!crew.lines.empty()) {
      LinePtr line = std::move(crew.lines.front());
      crew.lines.pop_front();
      line->queued = false;
      if (&CrewOf(*line) == &crew && !line->waiting.empty()) return line;
      Queue(line);
    }
    ++crew.idle;
    const auto status = crew.wake.wait_for(lock, kIdleMax);
    --crew.idle;
    if (status == std::cv_status::timeout && crew.lines.empty()) process.Stop();
  }
  return nullptr;
}

std::deque<JqPool::Job> JqPool::TakeJobs(Line& line) {
  std::deque<Job> jobs;
  while (!line.waiting.empty() && jobs.size() < line.together) {
    --waiting_;
    waiting_bytes_ -= line.waiting.front().input.size();
    jobs.push_back(std::move(line.waiting.front()));
    line.waiting.pop_front();
  }
  return jobs;
}

// Returns the jobs that were not done, because one before them was slow.
std::deque<JqPool::Job> JqPool::RunJobs(Line& line, std::deque<Job> jobs, JqProcess& process) {
  std::vector<JqProcess::Question> questions;
  for (auto job = jobs.begin(); job != jobs.end();) {
    if (const auto number = FirstInexactNumber(job->input)) {
      Call(job->done, std::unexpected(NumberWouldChange(job->input, *number)));
      job = jobs.erase(job);
      continue;
    }
    questions.push_back({.task = job->task, .program = *line.program, .input = job->input});
    ++job;
  }
  process.AskAll(questions, [&](std::size_t, JqProcess::Answer answer) {
    // First of all where the next run goes, then who waits for this one.
    const bool more = GoOn(line, answer.used_ns);
    Done done = std::move(jobs.front().done);
    jobs.pop_front();
    Call(done, std::move(answer.result));
    return more;
  });
  return jobs;
}

// Close() waits for a call that has begun, and none begins after it.
void JqPool::Call(Done& done, Result<std::string> result) {
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    ++calling_;
  }
  done(std::move(result));
  const std::lock_guard lock(mutex_);
  if (--calling_ == 0) called_.notify_all();
}

// Learns from a run; false: the line's next jobs are for somebody else.
bool JqPool::GoOn(Line& line, MonoNanos used_ns) {
  const std::lock_guard lock(mutex_);
  if (used_ns >= kJqSlowRun) {
    line.slow = true;
    line.quick_runs = 0;
    line.together = 1;
    return false;
  }
  if (!line.slow) {
    line.together = std::min(line.together + 1, kTogetherMax);
  } else if (++line.quick_runs >= kJqQuickRunsToRecover) {
    line.slow = false;
  }
  return !closed_;
}

Result<std::string> JqPool::RunNow(JqTask task, const std::string& program,
                                   const std::string& input) {
  if (const auto number = FirstInexactNumber(input)) {
    return std::unexpected(NumberWouldChange(input, *number));
  }
  const std::lock_guard lock(check_mutex_);
  return checker_.Ask({.task = task, .program = program, .input = input});
}

void JqPool::Close() {
  std::unique_lock lock(mutex_);
  closed_ = true;
  line_of_.clear();
  quick_.lines.clear();
  slow_.lines.clear();
  quick_.wake.notify_all();
  slow_.wake.notify_all();
  called_.wait(lock, [this] { return calling_ == 0; });
}

}  // namespace tributary::route
