// The receivers of the conservation simulation: each has a mood that changes, and every request is
// remembered with the events it carried, for the oracle.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "deliver/sim_kit_test.h"
#include "sim/conservation_events.h"

namespace tributary::deliver::conserve {

// A destination type as `null` is.
class Sink final : public Destination {
 public:
  struct OptionsType {
    static void Describe(config::OptionList<OptionsType>&) {}
  };
  Sink(const OptionsType&, const DestinationContext& context) : loop_(context.loop) {}
  bool instant() const override { return true; }
  void Deliver(const Delivery&, Done done) override {
    loop_->Post([alive = std::weak_ptr<char>(alive_), done = std::move(done)]() mutable {
      if (!alive.expired()) done(Outcome::Delivered());
    });
  }

 private:
  os::Executor* loop_;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

enum class Mood : std::uint8_t { kHealthy, kFlaky, kBroken, kOverloaded, kHanging };

// A request as its receiver saw it.
struct Request {
  std::size_t destination = 0;  // which one of those made
  std::string replay;
  std::string webhook_id;
  bool batch = false;
  std::vector<std::uint64_t> serials;  // of its events, in order
  std::set<std::uint64_t> refused;     // of an accepted batch
  bool accepted = false;
  std::size_t seen = 0;  // its place in Receivers::seen, which says when it was answered
  bool Took(std::uint64_t serial) const { return accepted && !refused.contains(serial); }
};

class MoodyReceivers {
 public:
  // `index_of` says which destination has that name now. Both outlive it.
  MoodyReceivers(Chance& chance, Receivers& receivers,
                 std::function<std::size_t(const std::string&)> index_of);

  void SetMood(const std::string& name, Mood mood) { moods_[name] = mood; }
  void RandomMood(const std::string& name) { SetMood(name, static_cast<Mood>(chance_.Pick(5))); }
  void ChangeSome();
  void Heal();
  void Mend() { poison_works_ = false; }
  bool poison_works() const { return poison_works_; }

  const std::vector<Request>& requests() const { return requests_; }
  const Seen& SeenOf(const Request& request) const { return receivers_.seen[request.seen]; }

 private:
  Receivers::Answer AnswerTo(const std::string& name, const Delivery& delivery);
  Receivers::Answer OfMood(Mood mood);
  void Poison(const Delivery& delivery, const std::vector<std::uint32_t>& places,
              Receivers::Answer& answer);

  Chance& chance_;
  Receivers& receivers_;
  std::function<std::size_t(const std::string&)> index_of_;
  std::map<std::string, Mood> moods_;
  std::vector<Request> requests_;
  bool poison_works_ = true;
};

}  // namespace tributary::deliver::conserve
