// null: takes every event and forgets it. For measuring, and for rules one wants counted only.
#include "deliver/destination.h"

namespace tributary::destinations {
namespace {

struct NullOptions {
  static void Describe(config::OptionList<NullOptions>&) {}
};

class Null final : public deliver::Destination {
 public:
  using OptionsType = NullOptions;
  Null(const NullOptions&, const deliver::DestinationContext& context) : loop_(context.loop) {}

  bool instant() const override { return true; }
  // Only with a rate limit, where each event is an attempt of its own.
  void Deliver(const deliver::Delivery&, Done done) override {
    loop_->Post([alive = std::weak_ptr<char>(alive_), done = std::move(done)]() mutable {
      if (!alive.expired()) done(deliver::Outcome::Delivered());
    });
  }

 private:
  os::Executor* loop_;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

const deliver::DestinationRegistration kNull =
    deliver::Register<Null>("null", "Takes every event and forgets it.");

}  // namespace
}  // namespace tributary::destinations
