// What a lane does when log or store cannot be read for the moment: it tries again a little later.
// A disk that has its troubles is no reason to give an event up, or to let its key go ahead.
#include "base/logging.h"
#include "deliver/lane.h"

namespace tributary::deliver {

// True: nothing is read before read_again_at_, and what was asked for is to be put back. False: it
// is not there, and never will be.
bool Lane::CannotReadNow(const Error& error, MonoNanos now) {
  if (error.code() != ErrorCode::kIo && error.code() != ErrorCode::kUnavailable) return false;
  if (now >= read_again_at_) {
    LogWarn("lane_cannot_read", {{"destination", name_}, {"error", error.ToString()}});
  }
  read_again_at_ = now + kReadAgainAfter;
  return true;
}

// A row whose turn had come, and that was not attempted; `key` is what it was given to hold.
void Lane::PutRowBack(Position at, KeyQueues::Key key, MonoNanos now) {
  WaitingRows& rows = ledger_->rows();
  const WaitingRows::Row row = *rows.Find(at);
  const bool follows = row.kind == WaitingRows::Kind::kFollower;
  if (key != 0 && (follows || row.stored.key == 0)) keys_.Free(key);
  if (follows) {
    rows.SetInFlight(at, false);
    keys_.Follow(row.stored.key, at);
  } else {
    rows.Put(at, row.stored, {.due = now + kReadAgainAfter, .since = row.times.since});
  }
}

// An attempt that was not made: it costs no token, and does not count.
void Lane::PutBatchBack(std::uint64_t token) {
  const auto found = in_flight_.find(token);
  const BatchId id = found->second.batch;
  EndAttempt(found);
  limiter_.GiveBack();
  const BatchRows::Batch& batch = *ledger_->batches().Find(id);
  ledger_->batches().PutBack(
      id, StoredBatch(batch.stored),
      {.due = world_.loop->Now() + kReadAgainAfter, .since = batch.times.since});
  if (stopped_) return MaybeDrained();
  PumpSoon();
}

}  // namespace tributary::deliver
