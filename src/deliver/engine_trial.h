// Trials behind their door. Inside deliver/ only.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "deliver/engine_impl.h"

namespace tributary::deliver {

class TrialTable final : public Trials {
 public:
  explicit TrialTable(EngineImpl& engine) : engine_(engine) {}
  ~TrialTable() override;  // its loops run no more; what is under way is cancelled

  void Try(std::string name, TrialEvent event,
           std::move_only_function<void(Result<std::string>)> done) override;

 private:
  class Trial;
  void Map(const std::shared_ptr<Trial>& trial, const LaneSettings& settings, bool batch);
  void End(const std::shared_ptr<Trial>& trial);

  EngineImpl& engine_;
  std::mutex mutex_;
  std::vector<std::shared_ptr<Trial>> running_;
};

}  // namespace tributary::deliver
