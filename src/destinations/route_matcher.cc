#include "destinations/route_matcher.h"

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

class RouteMatchers final : public deliver::MatcherFactory {
 public:
  RouteMatchers(FindSourceId find_source, deliver::Programs* programs)
      : find_source_(std::move(find_source)), programs_(programs) {}

  const std::vector<config::OptionSpec>& specs() const override {
    return config::OptionList<route::RuleOptions>::Specs();
  }

  Result<Compiled> Compile(const nlohmann::json& fields, const Owner& owner) const override {
    route::RuleOptions options;
    TRY(config::ReadObject(specs(), fields, &options));
    TRY_ASSIGN(
        const route::Rule rule,
        route::Rule::Compile(options, {.name = owner.name, .type = owner.type}, find_source_));
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
};

}  // namespace

std::unique_ptr<deliver::MatcherFactory> MakeRouteMatchers(FindSourceId find_source,
                                                           deliver::Programs* programs) {
  return std::make_unique<RouteMatchers>(std::move(find_source), programs);
}

}  // namespace tributary::destinations
