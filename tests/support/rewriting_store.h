// A store that writes something else than it was asked to: how a test plants the mistake of whoever
// writes, without a line of it in the product.
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "support/passing_store.h"

namespace tributary::test {

class RewritingStore final : public PassingStore {
 public:
  struct Part {
    store::Batch batch;
    store::Sync sync;
  };
  // What is written, one after another, in place of a batch.
  using Rewrite = std::function<std::vector<Part>(const store::Batch& batch, store::Sync sync)>;
  // `real` outlives it.
  RewritingStore(store::Store& real, Rewrite rewrite)
      : PassingStore(real), rewrite_(std::move(rewrite)) {}

  Status Write(const store::Batch& batch, store::Sync sync) override {
    for (const Part& write : rewrite_(batch, sync)) {
      if (Status written = PassingStore::Write(write.batch, write.sync); !written) return written;
    }
    return {};
  }

 private:
  const Rewrite rewrite_;
};

// Appends the operation as it is.
inline void AddOp(const store::Batch::Op& op, store::Batch& to) {
  switch (op.kind) {
    case store::Batch::Op::Kind::kPut:
      to.Put(op.family, op.key, op.value);
      break;
    case store::Batch::Op::Kind::kDelete:
      to.Delete(op.family, op.key);
      break;
    case store::Batch::Op::Kind::kDeleteRange:
      to.DeleteRange(op.family, op.key, op.value);
      break;
  }
}

// The mistakes that a put can suffer: it is forgotten, or its batch is not synced.
enum class PutMistake { kLost, kNotSynced };
using NamesPut = std::function<bool(const store::Batch::Op& op)>;

// Lets the puts that `names` names suffer it.
inline RewritingStore::Rewrite Suffering(PutMistake mistake, NamesPut names) {
  return [mistake, names = std::move(names)](const store::Batch& batch, store::Sync sync) {
    RewritingStore::Part part{.batch = {}, .sync = sync};
    for (const store::Batch::Op& op : batch.ops()) {
      const bool named = op.kind == store::Batch::Op::Kind::kPut && names(op);
      if (named && mistake == PutMistake::kNotSynced) part.sync = store::Sync::kNo;
      if (!named || mistake != PutMistake::kLost) AddOp(op, part.batch);
    }
    return std::vector{std::move(part)};
  };
}

}  // namespace tributary::test
