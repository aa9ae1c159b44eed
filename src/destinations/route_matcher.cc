#include "destinations/route_matcher.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "route/rule.h"

namespace tributary::destinations {
namespace {

class RouteMatcher final : public deliver::Matcher {
 public:
  RouteMatcher(route::Rule rule, std::shared_ptr<const deliver::Program> filter)
      : rule_(std::move(rule)), filter_(std::move(filter)) {}
  log::Kind kind() const override { return rule_.kind(); }
  bool Matches(const log::RecordFields& fields) const override { return rule_.Matches(fields); }
  bool looks_inside() const override { return rule_.looks_inside(); }
  bool MatchesInside(const log::RecordView& record) const override {
    return rule_.MatchesInside(record.fields, record.payload);
  }
  std::shared_ptr<const deliver::Program> program() const override { return filter_; }
  std::string_view WhyNot(const log::RecordView& record) const override {
    return rule_.WhyNot(record.fields, record.payload);
  }

 private:
  route::Rule rule_;
  std::shared_ptr<const deliver::Program> filter_;
};

// The sources of a rule that a destination has already.
class SourcesBefore {
 public:
  explicit SourcesBefore(const deliver::MatcherFactory::Compiled* rule) {
    if (rule == nullptr) return;
    names_ = ListOf<std::string>(rule->fields, "sources");
    ids_ = ListOf<log::SourceId>(rule->stored, "source_ids");
  }
  // Which of `ids`, all that a source of this name has or had, the rule means: the newest of them.
  std::optional<log::SourceId> IdOf(std::string_view name,
                                    const std::vector<log::SourceId>& ids) const {
    if (std::ranges::find(names_, name) == names_.end()) return std::nullopt;
    std::optional<log::SourceId> newest;
    for (const log::SourceId id : ids) {
      if (std::ranges::find(ids_, id) != ids_.end()) newest = std::max(newest.value_or(id), id);
    }
    return newest;
  }

 private:
  template <class T>
  static std::vector<T> ListOf(const std::string& text, const char* field) {
    const auto object = nlohmann::json::parse(text, nullptr, false);
    return object.is_object() ? object.value(field, std::vector<T>()) : std::vector<T>();
  }
  std::vector<std::string> names_;
  std::vector<log::SourceId> ids_;
};

class RouteMatchers final : public deliver::MatcherFactory {
 public:
  RouteMatchers(FindSourceId find_source, deliver::Programs* programs, FindSourceIds past_sources)
      : find_source_(std::move(find_source)),
        programs_(programs),
        past_sources_(std::move(past_sources)) {}

  const std::vector<config::OptionSpec>& specs() const override {
    return config::OptionList<route::RuleOptions>::Specs();
  }

  Result<Compiled> Compile(const nlohmann::json& fields, const Owner& owner) const override {
    route::RuleOptions options;
    TRY(config::ReadObject(specs(), fields, &options));
    const SourcesBefore before(owner.before);
    const auto find_source = [&](std::string_view name) {
      const auto id = find_source_(name);
      return id || !past_sources_ ? id : before.IdOf(name, past_sources_(name));
    };
    TRY_ASSIGN(
        const route::Rule rule,
        route::Rule::Compile(options, {.name = owner.name, .type = owner.type}, find_source));
    TRY(CheckFilter(rule.filter()));
    return Compiled{.fields = config::OptionsText(options, false), .stored = rule.Store()};
  }

  Result<std::shared_ptr<const deliver::Matcher>> Load(std::string_view compiled) const override {
    TRY_ASSIGN(route::Rule rule, route::Rule::Load(compiled));
    std::shared_ptr<const deliver::Program> filter;
    if (!rule.filter().empty()) {
      if (programs_ == nullptr) return Fail(ErrorCode::kUnsupported, "no programs are run here");
      filter = programs_->Stored(deliver::ProgramUse::kFilter, rule.filter());
    }
    return std::make_shared<const RouteMatcher>(std::move(rule), std::move(filter));
  }

 private:
  Status CheckFilter(const std::string& text) const {
    if (text.empty()) return {};
    if (programs_ == nullptr) {
      return Fail(ErrorCode::kInvalid, "filter", "filter cannot be used here: no programs are run");
    }
    const auto program = programs_->Compile(deliver::ProgramUse::kFilter, text);
    if (program) return {};
    return Fail(program.error().code(), "filter", "filter: " + program.error().message());
  }

  FindSourceId find_source_;
  deliver::Programs* programs_;
  FindSourceIds past_sources_;
};

}  // namespace

std::unique_ptr<deliver::MatcherFactory> MakeRouteMatchers(FindSourceId find_source,
                                                           deliver::Programs* programs,
                                                           FindSourceIds past_sources) {
  return std::make_unique<RouteMatchers>(std::move(find_source), programs, std::move(past_sources));
}

}  // namespace tributary::destinations
