// Destinations whose receivers a test plays.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "deliver/destination.h"
#include "deliver/sim_clock_kit_test.h"
#include "deliver/stored.h"

namespace tributary::deliver {

// One request as a receiver saw it.
struct Seen {
  std::string destination;
  Position at;
  std::string webhook_id;
  std::string replay;  // its id; empty: live
  std::string key;     // of the record
  std::uint32_t attempt = 0;
  MonoNanos when = 0;
  bool batch = false;
  std::string body;       // of a batch
  bool accepted = false;  // by the receiver; its answer may still be under way
  bool answered = false;
  MonoNanos answered_at = 0;
};

// All receivers of a simulation, by the destination's name.
struct Receivers {
  struct Answer {
    Outcome outcome;
    MonoNanos after = kNanosPerMilli;
    bool never = false;
  };
  std::function<Answer(const std::string& destination, const Delivery& delivery)> answer =
      [](const std::string&, const Delivery&) { return Answer{}; };
  std::vector<Seen> seen;
  bool keep_seen = true;  // false: `answer` keeps what it needs, and a million are no memory
  std::size_t canceled = 0;
  static inline Receivers* current = nullptr;
  static inline int instances = 0;  // of SimDestination, whichever world made them

  std::size_t Accepted(const std::string& destination) const {
    std::size_t n = 0;
    for (const Seen& s : seen) n += s.accepted && s.destination == destination ? 1 : 0;
    return n;
  }
};

// Destination type "sim": asks Receivers::current.
class SimDestination : public Destination {
 public:
  static constexpr bool kBatches = true;
  struct OptionsType {
    std::string url = "sim:";
    config::Secret token;
    std::map<std::string, config::Secret> headers;
    static void Describe(config::OptionList<OptionsType>& o) {
      o.Optional("url", &OptionsType::url, "Where to.");
      o.Optional("token", &OptionsType::token, "A secret.");
      o.Optional("headers", &OptionsType::headers, "Headers.");
    }
  };
  SimDestination(const OptionsType&, const DestinationContext& context)
      : loop_(context.loop), name_(context.name) {
    ++Receivers::instances;
  }
  ~SimDestination() override {
    --Receivers::instances;
    if (Receivers::current != nullptr) Receivers::current->canceled += pending_;
  }
  void Deliver(const Delivery& delivery, Done done) override {
    Receivers& all = *Receivers::current;
    Receivers::Answer answer = all.answer(name_, delivery);
    const bool kept = all.keep_seen;
    if (kept) Note(all, delivery, answer);
    ++pending_;
    if (answer.never) return;
    loop_->At(loop_->Now() + answer.after,
              [this, alive = std::weak_ptr<char>(alive_), kept, i = all.seen.size() - 1,
               outcome = std::move(answer.outcome), done = std::move(done)]() mutable {
                if (alive.expired()) return;
                --pending_;
                if (kept) {
                  Seen& seen = Receivers::current->seen.at(i);
                  seen.answered = true;
                  seen.answered_at = loop_->Now();
                }
                done(std::move(outcome));
              });
  }

 private:
  void Note(Receivers& all, const Delivery& delivery, const Receivers::Answer& answer) const {
    all.seen.push_back(
        {.destination = name_,
         .at = {delivery.record->partition, delivery.record->offset},
         .webhook_id = std::string(delivery.webhook_id),
         .replay = std::string(delivery.replay),
         .key = std::string(delivery.record->fields.key),
         .attempt = delivery.attempt,
         .when = loop_->Now(),
         .batch = delivery.batch,
         .body = delivery.batch ? std::string(delivery.body) : std::string(),
         .accepted = !answer.never && answer.outcome.verdict == Verdict::kDelivered});
  }

  os::Executor* loop_;
  std::string name_;
  std::size_t pending_ = 0;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

// Destination type "sink": as `null` is.
class SinkDestination final : public Destination {
 public:
  struct OptionsType {
    static void Describe(config::OptionList<OptionsType>&) {}
  };
  SinkDestination(const OptionsType&, const DestinationContext&) {}
  bool instant() const override { return true; }
  void Deliver(const Delivery&, Done) override { FAIL() << "an instant destination was called"; }
};

}  // namespace tributary::deliver
