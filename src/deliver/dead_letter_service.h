// The dead letters of an engine: reading them, and the moves behind dead_letter_moves.h.
#pragma once

#include <memory>
#include <vector>

#include "deliver/dead_letter_moves.h"
#include "deliver/dead_letters.h"
#include "deliver/rule_revision.h"

namespace tributary::deliver {

class DeadLetterService final : public DeadLetters {
 public:
  explicit DeadLetterService(const DeadLetterWorld& world)
      : world_(world), moves_(std::make_shared<DeadLetterMoves>(world)) {}
  DeadLetterMoves& moves() { return *moves_; }

  void WhenStored(std::move_only_function<void()> then) override {
    moves_->WhenStored(std::move(then));
  }
  Result<Page> List(const DeadLetterQuery& query) const override;
  Result<DeadLetter> Get(std::string_view id) const override;
  void Move(DeadAction action, DeadSelection selection, MoveDone done) override {
    moves_->Add(action, std::move(selection), std::move(done));
  }
  Result<DeadMoving> Moving(DeadAction action, std::string_view id) const override {
    return moves_->Find(action, id);
  }

 private:
  Result<std::vector<LaneRef>> LanesOf(const DeadSelection& selection) const;
  Result<std::optional<std::uint64_t>> Total(const DeadLetterQuery& query,
                                             const std::vector<LaneRef>& lanes) const;
  Result<Page> ReadPage(const DeadLetterQuery& query, const std::vector<LaneRef>& lanes) const;
  Result<DeadLetter> Read(const LaneRef& lane, const DeadEntry& entry, RuleRevisions& rules,
                          bool with_event) const;

  const DeadLetterWorld world_;
  const std::shared_ptr<DeadLetterMoves> moves_;
};

// The stored attempts of a pair, oldest first.
Result<std::vector<StoredAttempt>> ReadAttempts(const store::Store& store, LaneId lane,
                                                Position at);

}  // namespace tributary::deliver
