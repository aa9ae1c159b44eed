// A store with a planted mistake: the puts that a test names are forgotten, or their batch is not
// synced. For tests that show that a simulation would find the mistake.
#pragma once

#include <functional>
#include <string>

#include "store/store.h"

namespace tributary::test {

class PlantedStore final : public store::Store {
 public:
  enum class Mistake { kLost, kNotSynced };
  using Names = std::function<bool(const store::Batch::Op& op)>;
  // `real` outlives it.
  PlantedStore(store::Store& real, Mistake mistake, Names names)
      : real_(real), mistake_(mistake), names_(std::move(names)) {}

  Status Write(const store::Batch& batch, store::Sync sync) override {
    store::Batch planted;
    for (const store::Batch::Op& op : batch.ops()) {
      switch (op.kind) {
        case store::Batch::Op::Kind::kPut:
          if (mistake_ == Mistake::kNotSynced && names_(op)) sync = store::Sync::kNo;
          if (mistake_ != Mistake::kLost || !names_(op)) planted.Put(op.family, op.key, op.value);
          break;
        case store::Batch::Op::Kind::kDelete:
          planted.Delete(op.family, op.key);
          break;
        case store::Batch::Op::Kind::kDeleteRange:
          planted.DeleteRange(op.family, op.key, op.value);
          break;
      }
    }
    return real_.Write(planted, sync);
  }
  Result<std::optional<std::string>> Get(store::Family family,
                                         std::string_view key) const override {
    return real_.Get(family, key);
  }
  Status Scan(store::Family family, std::string_view begin, std::string_view end, bool reverse,
              const Visitor& visitor) const override {
    return real_.Scan(family, begin, end, reverse, visitor);
  }
  Status WipeDerived() override { return real_.WipeDerived(); }
  Status Checkpoint(const std::string& dir) override { return real_.Checkpoint(dir); }
  std::string failure() const override { return real_.failure(); }

 private:
  store::Store& real_;
  const Mistake mistake_;
  const Names names_;
};

}  // namespace tributary::test
