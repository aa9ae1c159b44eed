// Which records a destination wants. deliver/ decides when a rule counts, route/ what it says; the
// two meet here, and are joined by destinations/route_matcher.h.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/option.h"
#include "deliver/program.h"
#include "log/record.h"

namespace tributary::deliver {

// One compiled rule. Immutable, thread-safe. A record is wanted when all three stages say so; each
// is asked only if the one before it did, from the cheapest to the dearest.
class Matcher {
 public:
  virtual ~Matcher() = default;
  // Records of this kind form pairs with the destination, wanted or not; others never do.
  virtual log::Kind kind() const { return log::Kind::kEvent; }
  // By its header alone: kind, type, name, source.
  virtual bool Matches(const log::RecordFields& fields) const = 0;
  // Natively, by its payload too: patterns, and the event's own `integrations` object.
  virtual bool looks_inside() const { return false; }
  virtual bool MatchesInside(const log::RecordView& record) const {
    static_cast<void>(record);
    return true;
  }
  // The option that says no, without the jq condition ("names", "pattern", "integrations"); "" when
  // none does. For people who ask why; slower than the others.
  virtual std::string_view WhyNot(const log::RecordView& record) const {
    return Matches(record.fields) && MatchesInside(record) ? "" : "events";
  }
  // By a jq condition (ProgramUse::kFilter); nullptr when there is none.
  virtual std::shared_ptr<const Program> program() const { return nullptr; }
};

// `matcher` nullptr: of a destination of events that wants nothing.
inline bool FormsPair(const Matcher* matcher, const log::RecordFields& fields) {
  return fields.kind == (matcher == nullptr ? log::Kind::kEvent : matcher->kind());
}

// What a destination of that kind has that is not enabled.
std::shared_ptr<const Matcher> MatchNothing(log::Kind kind);

// The first two stages at once.
inline bool MatchesNatively(const Matcher& matcher, const log::RecordView& record) {
  return matcher.Matches(record.fields) &&
         (!matcher.looks_inside() || matcher.MatchesInside(record));
}

// The rule fields of a destination's JSON ("events", "names", "sources", "include_historical",
// "pattern", "filter").
// Thread-safe.
class MatcherFactory {
 public:
  virtual ~MatcherFactory() = default;
  // Their declarations, for validation and the reference page.
  virtual const std::vector<config::OptionSpec>& specs() const = 0;
  struct Compiled {
    std::string fields;  // the same fields with defaults filled in, a JSON object: what is shown
    // What is stored with the revision: names of sources are resolved to ids, so that renaming a
    // source does not change what was matched.
    std::string stored;
  };
  // Whose rule it is: events may name destinations that are not to get them.
  struct Owner {
    std::string name;
    std::string type;
    // The rule that it has now: what that one names may be gone by now and is taken all the same.
    const Compiled* before = nullptr;
  };
  // From an object that has only those fields. kInvalid names the field. May block for some 50 ms
  // to compile a filter.
  virtual Result<Compiled> Compile(const nlohmann::json& fields, const Owner& owner) const = 0;
  // From the stored form. kCorrupt when it is none.
  virtual Result<std::shared_ptr<const Matcher>> Load(std::string_view compiled) const = 0;
};

}  // namespace tributary::deliver
