// The configuration of the running program: what it was started with, and changes of its file.
//
// A reload judges everything first: the file as check-config does, then whether sources and
// destinations may be so. Then it changes sources, destinations (both durably), and last what only
// this process keeps: tokens, egress rules, logging. If a step fails, the steps before it are
// undone. What needs a restart is named and left as it is.
//
// Threads: Reload and Plan from any; the work is done on `blocking`, one piece after another.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "config/difference.h"
#include "config/loader.h"
#include "control/access.h"
#include "control/reload.h"
#include "control/source_registry.h"
#include "deliver/declared.h"
#include "http/egress_guard.h"
#include "os/executor.h"
#include "os/fs.h"

namespace tributary::app {

// What a reload changes; outlives the reloader's last piece of work.
struct ReloadWorld {
  os::FileSystem* fs = nullptr;
  os::Executor* blocking = nullptr;
  control::SourceRegistry* sources = nullptr;
  deliver::Declared* destinations = nullptr;
  control::Access* access = nullptr;
  http::EgressGuard* egress = nullptr;
};

class Reloader final : public control::Configuration {
 public:
  // `settings` are what `input` said at the start.
  Reloader(ReloadWorld world, config::LoadInput input, config::Settings settings);

  void Reload(Done done) override;
  void Plan(std::optional<File> file, Done done) override;

 private:
  struct Prepared {
    config::Settings settings;
    std::vector<config::Difference> differences;
  };
  using Finish = std::move_only_function<void()>;
  std::string OwnText() const;
  using Work = std::move_only_function<void(Finish finish)>;

  void Enqueue(Work work);
  void RunNext();
  std::expected<Prepared, Answer> Prepare(const std::optional<File>& file) const;
  // One reload on its way: what is to be, and who waits for it.
  struct Changing {
    Prepared next;
    Done done;
    Finish finish;
  };
  void ApplySources(const std::shared_ptr<Changing>& changing);
  void ApplyDestinations(const std::shared_ptr<Changing>& changing);
  void UndoSources(const std::shared_ptr<Changing>& changing, Error why);
  void Refuse(Changing& changing, const Error& why);
  void TakeOver(const Prepared& next);
  static Answer AnswerOf(const Prepared& prepared, bool applied);

  const ReloadWorld world_;
  const config::LoadInput input_;
  config::Settings current_;  // on `blocking`

  std::mutex mutex_;
  std::deque<Work> waiting_;
  bool working_ = false;
};

}  // namespace tributary::app
