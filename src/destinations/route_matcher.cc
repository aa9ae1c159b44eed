#include "destinations/route_matcher.h"

#include <nlohmann/json.hpp>

#include "route/rule.h"

namespace tributary::destinations {
namespace {

class RouteMatcher final : public deliver::Matcher {
 public:
  explicit RouteMatcher(route::Rule rule) : rule_(std::move(rule)) {}
  log::Kind kind() const override { return rule_.kind(); }
  bool Matches(const log::RecordFields& fields) const override { return rule_.Matches(fields); }

 private:
  route::Rule rule_;
};

class RouteMatchers final : public deliver::MatcherFactory {
 public:
  explicit RouteMatchers(FindSourceId find_source) : find_source_(std::move(find_source)) {}

  const std::vector<config::OptionSpec>& specs() const override {
    return config::OptionList<route::RuleOptions>::Specs();
  }

  Result<Compiled> Compile(const nlohmann::json& fields) const override {
    route::RuleOptions options;
    TRY(config::ReadObject(specs(), fields, &options));
    TRY_ASSIGN(const route::Rule rule, route::Rule::Compile(options, find_source_));
    return Compiled{.fields = config::OptionsText(options, false), .stored = rule.Store()};
  }

  Result<std::shared_ptr<const deliver::Matcher>> Load(std::string_view compiled) const override {
    TRY_ASSIGN(route::Rule rule, route::Rule::Load(compiled));
    return std::make_shared<const RouteMatcher>(std::move(rule));
  }

 private:
  FindSourceId find_source_;
};

}  // namespace

std::unique_ptr<deliver::MatcherFactory> MakeRouteMatchers(FindSourceId find_source) {
  return std::make_unique<RouteMatchers>(std::move(find_source));
}

}  // namespace tributary::destinations
