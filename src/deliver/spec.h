// A destination as its owner wrote it: options of the lane, rule fields, options of its type.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/option_list.h"
#include "deliver/destination.h"
#include "deliver/matcher.h"
#include "deliver/retried_statuses.h"
#include "deliver/retry_schedule.h"

namespace tributary::deliver {

inline constexpr const char* kSigningSecret = "signing_secret";  // the option of that name

struct RetryOptions {
  std::vector<MonoNanos> schedule = StandardSchedule();
  MonoNanos total_ns = 0;
  std::vector<std::string> statuses = RetriedStatuses::Standard();
  static void Describe(config::OptionList<RetryOptions>& o);
};

struct BatchOptions {
  std::uint32_t size = 1;
  MonoNanos wait_ns = 0;
  std::size_t bytes = 1 << 20;
  bool split = true;
  static void Describe(config::OptionList<BatchOptions>& o);
};

enum class Order : std::uint8_t { kNone, kKey };

// What every destination has, whatever its type.
struct LaneOptions {
  std::string name;
  std::string type;
  bool enabled = true;
  std::string mapping;
  Order order = Order::kNone;
  std::string order_by;
  MonoNanos order_wait_ns = 24 * 3600 * kNanosPerSecond;
  std::string start = "now";
  std::uint32_t concurrency = 16;
  double rate_limit = 0;
  MonoNanos timeout_ns = 15 * kNanosPerSecond;
  RetryOptions retry;
  BatchOptions batch;
  static void Describe(config::OptionList<LaneOptions>& o);
  Status Check() const;
};

// Immutable once made; shared between threads.
struct Spec {
  LaneOptions lane;
  const DestinationType* type = nullptr;
  std::shared_ptr<const void> options;  // of the type
  MatcherFactory::Compiled rule;
  log::Kind kind() const;  // of the records that form pairs with it
};

// Whether both judge every record alike: no new rule is needed from one to the other.
inline bool SameRule(const Spec& a, const Spec& b) {
  return a.rule.stored == b.rule.stored && a.lane.enabled == b.lane.enabled;
}

// Turns JSON into specs and back. Thread-safe. Errors name the field.
class SpecReader {
 public:
  // Without `programs` a mapping is refused.
  SpecReader(const MatcherFactory& matchers, CheckContext check, Programs* programs = nullptr)
      : matchers_(matchers), check_(check), programs_(programs) {}

  Result<Spec> Create(std::string_view json_text) const;
  // PUT: what is not named goes back to its default, "***" keeps the old secret, `start` stays.
  Result<Spec> Replace(const Spec& old, std::string_view json_text) const;
  // PATCH: RFC 7396.
  Result<Spec> Patch(const Spec& old, std::string_view json_text) const;

  nlohmann::json Write(const Spec& spec, bool redact) const;
  // What Write(spec, false) wrote. The egress guard is not asked: it is at every connect.
  Result<Spec> Load(const nlohmann::json& stored, std::string rule_stored) const;

 private:
  struct Parts;
  Result<Parts> Split(const nlohmann::json& object, const DestinationType& type) const;
  Result<Spec> Read(const Spec& base, const nlohmann::json& object,
                    const MatcherFactory::Compiled* before = nullptr) const;
  Result<Spec> Change(const Spec& old, const nlohmann::json& object, bool replace) const;
  Status Check(const Spec& spec) const;
  Status CheckMapping(const std::string& text) const;

  const MatcherFactory& matchers_;
  CheckContext check_;
  Programs* programs_;
};

}  // namespace tributary::deliver
