// The engine's side of declared.h. Inside deliver/ only.
#pragma once

#include <deque>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "deliver/declared.h"
#include "deliver/spec.h"

namespace tributary::deliver {

class EngineImpl;
struct Entry;

// What is wrong with the declared destination at `i`, as the whole configuration says it.
Error OfDeclared(std::size_t i, const Error& error);

class EngineDeclared final : public Declared {
 public:
  explicit EngineDeclared(EngineImpl& engine) : engine_(engine) {}
  Status Check(const std::vector<std::string>& declared) const override;
  void Apply(std::vector<std::string> declared,
             std::move_only_function<void(const Status&)> done) override;

 private:
  using Finish = std::move_only_function<void()>;
  // One small change; calls the first of its arguments with how it went, then the second.
  using Step = std::move_only_function<void(std::move_only_function<void(const Status&)>, Finish)>;
  // Checks come before changes: what can be foreseen to fail, fails before anything has changed.
  struct Plan {
    std::deque<Step> checks;
    std::deque<Step> changes;
    std::vector<std::pair<std::shared_ptr<Entry>, bool>> listed;  // what each is when all is done
  };
  struct Run {
    Plan plan;
    Status status;
    std::move_only_function<void(const Status&)> done;
    Finish finish;
  };

  Status CheckName(const std::string& name, std::size_t i) const;
  Status CheckKind(const std::string& text, std::size_t i) const;
  Result<Plan> MakePlan(const std::vector<std::string>& declared);
  void PlanOne(Spec spec, Plan& plan);
  void PlanUnlisted(const std::set<std::string>& listed, Plan& plan);
  Step RoomForRule(std::shared_ptr<Entry> entry);
  void Next(const std::shared_ptr<Run>& run);

  EngineImpl& engine_;
};

}  // namespace tributary::deliver
