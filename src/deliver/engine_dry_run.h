// The engine's door for dry runs (dry_run.h). Inside deliver/ only.
#pragma once

#include "deliver/dry_run.h"

namespace tributary::deliver {

class EngineImpl;

class EngineDryRuns final : public DryRuns {
 public:
  explicit EngineDryRuns(EngineImpl& engine) : engine_(engine) {}
  void DryRun(const std::string& name, const log::RecordView& record,
              std::move_only_function<void(Result<std::string>)> done) override;

 private:
  EngineImpl& engine_;
};

}  // namespace tributary::deliver
