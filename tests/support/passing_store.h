// A store that hands everything to another one: the base of those that do one thing otherwise.
#pragma once

#include <string>

#include "store/store.h"

namespace tributary::test {

class PassingStore : public store::Store {
 public:
  // `real` outlives it.
  explicit PassingStore(store::Store& real) : real_(real) {}

  Status Write(const store::Batch& batch, store::Sync sync) override {
    return real_.Write(batch, sync);
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
};

}  // namespace tributary::test
