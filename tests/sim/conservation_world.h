// One simulated life of the delivery engine, made from a seed: a random topology, random events,
// changes, replays, redrives, faults and restarts at any moment; then everything heals, comes to
// rest and is judged by the oracle.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "deliver/dead_letters.h"
#include "sim/conservation_faults.h"
#include "sim/conservation_oracle.h"

namespace tributary::deliver::conserve {

// What the engine gets in place of its store, to plant a mistake; the real one outlives it.
using Plant = std::function<std::unique_ptr<store::Store>(store::Store& real)>;

class World {
 public:
  explicit World(std::uint64_t seed, const Plant& plant = nullptr);

  // Lives to the end; what was wrong, in sentences.
  std::vector<std::string> Run();
  // Of everything that receivers saw, and the final counts.
  std::uint64_t Trace();

 private:
  bool Failed() const { return !problems_.empty() || ::testing::Test::HasFailure(); }
  void Say(const std::string& problem) { problems_.push_back(problem); }

  // conservation_world.cc
  void Round();
  void Act();
  void AppendEvents(std::uint64_t count);
  void AppendEvent();
  void Commit();
  void Retain();
  void Crash();
  void Heal();
  bool ComesToRest();
  std::vector<log::Offset> Assigned() const;
  std::vector<std::size_t> Alive() const;
  Made* AnyAlive();

  // conservation_acts.cc
  void MakeDestination();
  void ChangeRule();
  void ChangeOther();
  void PauseOrResume();
  void DeleteDestination();
  void MakeReplay();
  void SteerReplay();
  void MoveDeadLetters();
  void RedriveAll();
  std::vector<DeadLetter> DeadLettersOf(const DeadSelection& selection);
  void NoteMoved(DeadAction action, const std::vector<DeadLetter>& letters);

  Chance chance_;
  std::unique_ptr<store::Store> planted_;  // the engine of w_ uses it to the end
  DeliverWorld w_;
  History history_;
  RetentionModel retention_;
  Faults faults_;
  MoodyReceivers receivers_;
  std::uint64_t serial_ = 0;
  unsigned busy_percent_ = 3;  // how often programs have no room
  std::vector<std::string> problems_;
};

}  // namespace tributary::deliver::conserve
