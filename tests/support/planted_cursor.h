// The mistake of a lane that moves its durable cursor before what is on its way has an outcome:
// planted between the engine and its store, to show that a test finds it.
#pragma once

#include "base/check.h"
#include "deliver/stored.h"
#include "store/keys.h"
#include "support/rewriting_store.h"

namespace tributary::test {

// Changes `op` if it stores a cursor.
inline void MoveCursorFirst(store::Batch::Op& op) {
  if (op.kind != store::Batch::Op::Kind::kPut || !store::keys::ParseCursor(op.key)) return;
  deliver::StoredCursor cursor = deliver::DecodeCursor(op.value).value();
  if (!cursor.above.empty()) cursor.cursor = cursor.above.back().second;
  cursor.above.clear();
  op.value = deliver::EncodeCursor(cursor);
}

inline std::vector<RewritingStore::Part> CursorBeforeOutcome(const store::Batch& batch,
                                                             store::Sync sync) {
  RewritingStore::Part part{.batch = {}, .sync = sync};
  for (store::Batch::Op op : batch.ops()) {
    MoveCursorFirst(op);
    AddOp(op, part.batch);
  }
  return {std::move(part)};
}

}  // namespace tributary::test
