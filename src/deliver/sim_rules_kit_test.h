// Programs and rules that need no jq: their answers are the test's.
#pragma once

#include <atomic>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "deliver/engine.h"
#include "deliver/sim_clock_kit_test.h"

namespace tributary::deliver {

// Programs that a test decides. Texts "bad…" do not compile.
class FakePrograms final : public Programs {
 public:
  class Text final : public Program {
   public:
    Text(ProgramUse use, std::string_view text) : use_(use), text_(text) {}
    ProgramUse use() const override { return use_; }
    const std::string& text() const override { return text_; }

   private:
    ProgramUse use_;
    std::string text_;
  };
  explicit FakePrograms(Sim& sim) : sim_(sim) {}

  std::function<Result<std::string>(const std::string& text, const std::string& event)> answer =
      [](const std::string&, const std::string&) -> Result<std::string> { return "true"; };
  MonoNanos takes = kNanosPerMilli;
  std::vector<std::string> asked;  // texts
  std::size_t running = 0;

  Result<std::shared_ptr<const Program>> Compile(ProgramUse use, std::string_view text) override {
    if (text.starts_with("bad")) return Fail(ErrorCode::kInvalid, "does not compile");
    return Stored(use, text);
  }
  std::shared_ptr<const Program> Stored(ProgramUse use, std::string_view text) override {
    return std::make_shared<const Text>(use, text);
  }
  void Run(std::shared_ptr<const Program> program, std::string event, os::Executor& loop,
           Done done) override {
    asked.push_back(program->text());
    ++running;
    loop.Post([this, &loop, program, event, done = std::move(done)]() mutable {
      loop.At(sim_.Monotonic() + takes, [this, program, event, done = std::move(done)]() mutable {
        --running;
        done(answer(program->text(), event));
      });
    });
  }

 private:
  Sim& sim_;
};

// Rules of four fields: the names that are wanted, the kind, a text the payload must have, a
// condition.
class NameMatchers final : public MatcherFactory {
 public:
  struct Fields {
    std::vector<std::string> names;
    std::string kind = "event";
    std::string inside;
    std::string filter;
    static void Describe(config::OptionList<Fields>& o) {
      o.Optional("kind", &Fields::kind, "event or system.");
      o.Optional("names", &Fields::names, "Names.");
      o.Optional("pattern", &Fields::inside, "A text.");
      o.Optional("filter", &Fields::filter, "A condition.");
    }
  };
  static inline std::atomic<std::size_t> asked = 0;  // how often any rule was, on whatever thread
  class ByName final : public Matcher {
   public:
    ByName(std::set<std::string, std::less<>> names, bool system, std::string inside,
           std::shared_ptr<const Program> filter)
        : names_(std::move(names)),
          system_(system),
          inside_(std::move(inside)),
          filter_(std::move(filter)) {}
    log::Kind kind() const override { return system_ ? log::Kind::kSystem : log::Kind::kEvent; }
    bool Matches(const log::RecordFields& fields) const override {
      ++asked;
      return fields.kind == kind() && (names_.empty() || names_.contains(fields.name));
    }

    bool looks_inside() const override { return !inside_.empty(); }
    bool MatchesInside(const log::RecordView& record) const override {
      return record.payload.find(inside_) != std::string_view::npos;
    }
    std::shared_ptr<const Program> program() const override { return filter_; }

   private:
    std::set<std::string, std::less<>> names_;
    bool system_;
    std::string inside_;
    std::shared_ptr<const Program> filter_;
  };
  const std::vector<config::OptionSpec>& specs() const override {
    return config::OptionList<Fields>::Specs();
  }
  Result<Compiled> Compile(const nlohmann::json& fields, const Owner&) const override {
    Fields read;
    TRY(config::ReadObject(specs(), fields, &read));
    const std::string text = config::OptionsText(read, false);
    return Compiled{.fields = text, .stored = text};
  }
  Result<std::shared_ptr<const Matcher>> Load(std::string_view compiled) const override {
    const auto object = nlohmann::json::parse(compiled);
    const auto names = object["names"].get<std::vector<std::string>>();
    const std::string filter = object.value("filter", "");
    return std::make_shared<const ByName>(
        std::set<std::string, std::less<>>(names.begin(), names.end()),
        object.value("kind", "") == "system", object.value("pattern", ""),
        filter.empty() ? nullptr
                       : std::make_shared<const FakePrograms::Text>(ProgramUse::kFilter, filter));
  }
};

}  // namespace tributary::deliver
