#include "cli/filter_tests.h"

#include <nlohmann/json.hpp>

#include "deliver/sample_record.h"
#include "deliver/spec.h"
#include "deliver/stored.h"
#include "os/clock.h"

namespace tributary::cli {
namespace {

using nlohmann::json;

// The destination's JSON, complete enough to be read: an inline one need not have an address.
Result<std::string> DestinationOf(const FilterTestCase& test, const FilterTestWorld& world) {
  json object = json::parse(test.destination.text, nullptr, false);
  if (object.is_string()) {
    const std::string name = object;
    auto declared = world.declared(name);
    if (!declared) {
      return Fail(ErrorCode::kNotFound, "the configuration has no destination \"" + name + "\"");
    }
    return *std::move(declared);
  }
  if (!object.is_object()) {
    return Fail(ErrorCode::kInvalid, "destination must be a name or an object");
  }
  if (!object.contains("name")) object["name"] = "inline";
  if (!object.contains("type")) object["type"] = "null";
  return object.dump();
}

Status CheckExpect(const FilterTestExpect& expect) {
  if (expect.filtered_by.empty() || !expect.matched) return {};
  return Fail(ErrorCode::kInvalid, "expect.filtered_by",
              "filtered_by says which option says no: it needs matched: false");
}

Result<deliver::DryRunInput> ReadDestination(const FilterTestCase& test,
                                             const FilterTestWorld& world) {
  deliver::DryRunInput input;
  TRY_ASSIGN(const std::string text, DestinationOf(test, world));
  const deliver::SpecReader reader(*world.matchers, {}, world.programs);
  TRY_ASSIGN(const deliver::Spec spec, reader.Create(text));
  if (spec.lane.enabled) {
    TRY_ASSIGN(input.matcher, world.matchers->Load(spec.rule.stored));
  }
  if (!spec.lane.mapping.empty()) {
    input.mapping = world.programs->Stored(deliver::ProgramUse::kMapping, spec.lane.mapping);
  }
  return input;
}

// The same error of something that is below `outer`.
std::unexpected<Error> Below(const std::string& outer, const Error& e) {
  return Fail(e.code(), e.field().empty() ? outer : outer + "." + e.field(), e.message());
}

Result<deliver::DryRunInput> InputOf(const FilterTestCase& test, const FilterTestWorld& world) {
  TRY(CheckExpect(test.expect));
  auto input = ReadDestination(test, world);
  if (!input) return Below("destination", input.error());
  deliver::SampleRecord::Origin origin{.historical = test.historical,
                                       .received_at_us = os::SystemClock().Now()};
  if (!test.source.empty()) origin.source = world.find_source(test.source).value_or(0);
  const auto record = deliver::SampleRecord::Of(test.event.text, origin, *world.random);
  if (!record) return Below("event", record.error());
  input->record = deliver::EncodeKept(record->view());
  return input;
}

Result<deliver::DryRunResult> DryRun(deliver::DryRunInput input, const FilterTestWorld& world) {
  Result<deliver::DryRunResult> result = Fail(ErrorCode::kInternal, "a program did not answer");
  deliver::RunDry(std::move(input), world.ask,
                  [&](Result<deliver::DryRunResult> answer) { result = std::move(answer); });
  return result;
}

// Line by line: what is expected and what came, where they differ.
std::string Diff(const json& expected, const json& got) {
  const auto lines = [](const json& value) {
    std::vector<std::string> out(1);
    for (const char c : value.dump(2)) {
      if (c == '\n') {
        out.emplace_back();
      } else {
        out.back() += c;
      }
    }
    return out;
  };
  const auto wanted = lines(expected);
  const auto came = lines(got);
  std::size_t head = 0;
  while (head < wanted.size() && head < came.size() && wanted[head] == came[head]) ++head;
  std::size_t tail = 0;
  while (tail < wanted.size() - head && tail < came.size() - head &&
         wanted[wanted.size() - 1 - tail] == came[came.size() - 1 - tail]) {
    ++tail;
  }
  std::string out = "the body differs:";
  const auto add = [&](char mark, const std::vector<std::string>& from, std::size_t first,
                       std::size_t end) {
    for (std::size_t i = first; i < end; ++i) out += std::string("\n  ") + mark + ' ' + from[i];
  };
  add(' ', wanted, 0, head);
  add('-', wanted, head, wanted.size() - tail);
  add('+', came, head, came.size() - tail);
  add(' ', wanted, wanted.size() - tail, wanted.size());
  return out;
}

void CompareBody(const FilterTestExpect& expect, const deliver::DryRunResult& got,
                 std::vector<std::string>& problems) {
  if (expect.body.text.empty()) return;
  const json wanted = json::parse(expect.body.text, nullptr, false);
  const json came = json::parse(got.body, nullptr, false);
  if (wanted != came) problems.push_back(Diff(wanted, came));
}

std::vector<std::string> Compare(const FilterTestExpect& expect, const deliver::DryRunResult& got) {
  std::vector<std::string> problems;
  if (!expect.error.empty()) {
    if (got.failed.empty()) {
      problems.push_back("expected an error with \"" + expect.error + "\", but there was none");
    } else if (got.error.find(expect.error) == std::string::npos) {
      problems.push_back("expected an error with \"" + expect.error + "\", but " + got.failed +
                         " says: " + got.error);
    }
    return problems;
  }
  if (!got.failed.empty()) {
    problems.push_back(got.failed + " fails: " + got.error);
  } else if (expect.matched && !got.matched) {
    problems.push_back("expected to match, but " + got.filtered_by + " says no");
  } else if (!expect.matched && got.matched) {
    problems.push_back("expected not to match, but it does");
  } else if (!expect.filtered_by.empty() && got.filtered_by != expect.filtered_by) {
    problems.push_back("expected " + expect.filtered_by + " to say no, but " + got.filtered_by +
                       " does");
  } else if (got.matched) {
    CompareBody(expect, got, problems);
  }
  return problems;
}

}  // namespace

void FilterTestExpect::Describe(config::OptionList<FilterTestExpect>& o) {
  o.Optional("matched", &FilterTestExpect::matched, "Whether the destination wants the event.");
  o.Optional("filtered_by", &FilterTestExpect::filtered_by, "Which option says no.");
  o.Optional("body", &FilterTestExpect::body, "What would be sent.");
  o.Optional("error", &FilterTestExpect::error, "A part of the error's text.");
}

void FilterTestCase::Describe(config::OptionList<FilterTestCase>& o) {
  o.Required("name", &FilterTestCase::name, "What the case shows.");
  o.Required("destination", &FilterTestCase::destination,
             "The name of a destination of the configuration, or the fields of one.");
  o.Optional("source", &FilterTestCase::source, "Name of the source the event came by.");
  o.Optional("historical", &FilterTestCase::historical, "As if it had been imported.");
  o.Required("event", &FilterTestCase::event, "The event, as a client sends it.");
  o.Object("expect", &FilterTestCase::expect, "What must come out.");
}

void FilterTestFile::Describe(config::OptionList<FilterTestFile>& o) {
  o.Optional("config", &FilterTestFile::config,
             "The configuration that names destinations; relative to this file.");
  o.ObjectList("cases", &FilterTestFile::cases, "The cases.", {.min = 1, .max = kFilterTestsMax});
}

Result<FilterTestVerdict> RunFilterTest(const FilterTestCase& test, const FilterTestWorld& world) {
  TRY_ASSIGN(deliver::DryRunInput input, InputOf(test, world));
  FilterTestVerdict verdict{.name = test.name, .problems = {}, .got = {}};
  const auto got = DryRun(std::move(input), world);
  if (!got) {
    verdict.problems.push_back("cannot be run: " + got.error().message());
    return verdict;
  }
  verdict.got = got->ToJson("");
  verdict.problems = Compare(test.expect, *got);
  return verdict;
}

}  // namespace tributary::cli
