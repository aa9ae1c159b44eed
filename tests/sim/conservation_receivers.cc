#include "sim/conservation_receivers.h"

#include "support/durations.h"

namespace tributary::deliver::conserve {
namespace {

// Which of the events in a body are poisonous: their places in it.
std::vector<std::uint32_t> PoisonIn(std::string_view body) {
  std::vector<std::uint32_t> places;
  std::uint32_t place = 0;
  constexpr std::string_view kEvent = "\"n\":";
  for (std::size_t at = body.find(kEvent); at != std::string_view::npos; ++place) {
    const std::size_t next = body.find(kEvent, at + 1);
    const auto event = body.substr(at, next == std::string_view::npos ? next : next - at);
    if (event.find(kPoisonous) != std::string_view::npos) places.push_back(place);
    at = next;
  }
  return places;
}

}  // namespace

MoodyReceivers::MoodyReceivers(Chance& chance, Receivers& receivers,
                               std::function<std::size_t(const std::string&)> index_of)
    : chance_(chance), receivers_(receivers), index_of_(std::move(index_of)) {
  receivers_.answer = [this](const std::string& name, const Delivery& delivery) {
    return AnswerTo(name, delivery);
  };
}

void MoodyReceivers::ChangeSome() {
  for (auto& [name, mood] : moods_) {
    if (chance_.Percent(50)) mood = static_cast<Mood>(chance_.Pick(5));
  }
}

void MoodyReceivers::Heal() {
  for (auto& [name, mood] : moods_) mood = Mood::kHealthy;
}

Receivers::Answer MoodyReceivers::AnswerTo(const std::string& name, const Delivery& delivery) {
  Receivers::Answer answer = OfMood(moods_[name]);
  Request request{.destination = index_of_(name),
                  .replay = std::string(delivery.replay),
                  .webhook_id = std::string(delivery.webhook_id),
                  .batch = delivery.batch,
                  .serials = SerialsIn(delivery.body),
                  .seen = receivers_.seen.size()};
  EXPECT_EQ(request.serials.size(), delivery.members) << delivery.body;
  const auto poison = PoisonIn(delivery.body);
  const bool takes = answer.outcome.verdict == Verdict::kDelivered;
  if (poison_works_ && takes && !poison.empty()) Poison(delivery, poison, answer);
  request.accepted = answer.outcome.verdict == Verdict::kDelivered;
  for (const RejectedMember& member : answer.outcome.rejected) {
    request.refused.insert(request.serials.at(member.index));
  }
  requests_.push_back(std::move(request));
  return answer;
}

Receivers::Answer MoodyReceivers::OfMood(Mood mood) {
  Receivers::Answer answer{.outcome = {},
                           .after = static_cast<MonoNanos>(1 + chance_.Pick(20)) * kMs};
  switch (mood) {
    case Mood::kHealthy:
      break;
    case Mood::kFlaky:
      if (chance_.Percent(25)) answer.outcome = Outcome::Retry("HTTP 500");
      if (chance_.Percent(5)) answer.outcome = Outcome::Reject("HTTP 400");
      if (chance_.Percent(1)) answer.outcome = {.verdict = Verdict::kDisable, .error = "HTTP 410"};
      break;
    case Mood::kBroken:
      answer.outcome = Outcome::Retry("HTTP 500");
      break;
    case Mood::kOverloaded:
      answer.outcome = Outcome::Retry("HTTP 429");
      answer.outcome.status = 429;
      answer.outcome.retry_after_ns = static_cast<MonoNanos>(chance_.Pick(300)) * kMs;
      break;
    case Mood::kHanging:
      answer.outcome = Outcome::Retry("timeout");
      answer.after = 2 * kNanosPerSecond;
      break;
  }
  return answer;
}

// Refuses the whole request, or of a batch only what is poisonous.
void MoodyReceivers::Poison(const Delivery& delivery, const std::vector<std::uint32_t>& places,
                            Receivers::Answer& answer) {
  if (delivery.members == 1 || chance_.Percent(60)) {
    answer.outcome = Outcome::Reject("HTTP 400");
    return;
  }
  for (const std::uint32_t place : places) {
    answer.outcome.rejected.push_back({.index = place, .error = "refused"});
  }
}

}  // namespace tributary::deliver::conserve
