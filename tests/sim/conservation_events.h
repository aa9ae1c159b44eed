// The events of the conservation simulation, and the programs that stand in for jq: both sides,
// engine and oracle, ask the same pure functions about an event's payload.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "deliver/stored.h"

namespace tributary::deliver::conserve {

// Chance of one seed. Every choice of a simulation is drawn from one of these, in order.
class Chance {
 public:
  explicit Chance(std::uint64_t seed) : random_(seed) {}
  std::uint64_t Pick(std::uint64_t below) { return random_() % below; }
  bool Percent(std::uint64_t percent) { return Pick(100) < percent; }
  std::uint64_t Seed() { return random_(); }

 private:
  std::mt19937_64 random_;
};

// Marks that an event may bear, as texts of its payload.
inline constexpr std::string_view kNative = "P1";     // native patterns want it
inline constexpr std::string_view kWanted = "F1";     // conditions say yes to it
inline constexpr std::string_view kOther = "G1";      // so do those of replays
inline constexpr std::string_view kBreaks = "X1";     // conditions fail on it
inline constexpr std::string_view kUnmapped = "M1";   // strict mappings fail on it
inline constexpr std::string_view kPoisonous = "R1";  // receivers refuse it until they are mended

struct Event {
  std::uint64_t serial = 0;  // no two events have the same, whatever their offsets
  std::string name;
  std::string key;
  std::string payload;
  UnixMicros received_us = 0;
  bool duplicate = false;
  bool notice = false;  // a record of the program's own: no pair with anybody here
  bool pairs() const { return !duplicate && !notice; }
  bool Has(std::string_view mark) const { return payload.find(mark) != std::string::npos; }
};

// A random event; its payload holds its serial and its marks.
Event MakeEvent(Chance& chance, std::uint64_t serial);
// The serials of the events in a body: one event, a mapped one, or an array of such.
std::vector<std::uint64_t> SerialsIn(std::string_view body);

// ---- Programs ----
// Conditions: "has MARK"; two that a replay joined are read as jq would. Mappings: "map TAG", and
// "strict TAG", which fails on kUnmapped.
Result<std::string> RunProgram(const std::string& text, const std::string& event);
// What a condition says; nullopt when it fails. "" is none: yes.
std::optional<bool> Judge(const std::string& filter, const Event& event);

}  // namespace tributary::deliver::conserve
