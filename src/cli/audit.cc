// tributary audit: whether every delivery of a running server adds up; 1 if one does not.
#include <nlohmann/json.hpp>
#include <ostream>

#include "cli/escape.h"
#include "cli/pretty_json.h"
#include "cli/registry.h"
#include "cli/table.h"

namespace tributary::cli {
namespace {

using nlohmann::ordered_json;

constexpr const char* kCounts[] = {"events",  "delivered", "filtered", "dead_lettered",
                                   "dropped", "pending",   "undecided"};
constexpr const char* kLists[] = {"destinations", "replays"};

std::string Text(const ordered_json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || found->is_null()) return {};
  return found->is_string() ? found->get<std::string>() : found->dump();
}

class AuditCommand final : public Command {
 public:
  void Describe(Arguments& a) override {
    options_.Describe(a);
    a.Option("--from", from_, "OFFSET", "Where to begin; the beginning of the log by default.");
    a.Option("--to", to_, "OFFSET", "Where to end, not included; what was accepted by default.");
    a.Option("--destination", destination_, "NAME", "Only this one.");
    a.OnRun([this](Context& context) { return Run(context); });
  }

 private:
  int Run(Context& context) {
    const auto api = context.connect(options_.Target(context.environment));
    if (!api) return ComplainOfUsage(context, api.error().message());
    std::string cursor;
    do {
      const auto part = Ask(**api, cursor);
      if (!part) return Complain(context, part.error().message());
      AddPart(*part);
      cursor = Text(*part, "next_cursor");
      if (!cursor.empty()) context.err << "audited below offset " << Text(*part, "to") << "\n";
    } while (!cursor.empty());
    context.out << (options_.json ? sum_.dump(2) + "\n" : SumText());
    return sum_["balanced"].get<bool>() ? kExitFine : kExitFailed;
  }

  // The parts of one audit are of one moment: the server keeps it from call to call.
  Result<ordered_json> Ask(Api& api, const std::string& cursor) const {
    std::string path = "/api/v1/audit";
    char mark = '?';
    const auto add = [&](const char* name, const std::string& value) {
      path += mark + std::string(name) + "=" + EncodePathPart(value);
      mark = '&';
    };
    if (!cursor.empty()) {
      add("cursor", cursor);
    } else {
      if (from_) add("from", *from_);
      if (to_) add("to", *to_);
      if (destination_) add("destination", *destination_);
    }
    TRY_ASSIGN(const std::string body, CallForBody(api, {.path = path}));
    ordered_json part = ordered_json::parse(body, nullptr, false);
    if (part.is_object() && part.contains("replays") && part.contains("balanced")) return part;
    return Fail(ErrorCode::kUnavailable, "the server's answer is no audit");
  }

  void AddPart(const ordered_json& part) {
    if (sum_.is_null()) {
      sum_ = part;
      return;
    }
    for (const char* name : {"records", "duplicates", "conditions"}) {
      sum_[name] = sum_[name].get<std::uint64_t>() + part[name].get<std::uint64_t>();
    }
    for (const char* name : {"to", "next_cursor", "next_from"}) sum_[name] = part[name];
    sum_["balanced"] = sum_["balanced"].get<bool>() && part["balanced"].get<bool>();
    for (const char* list : kLists) {
      for (const ordered_json& line : part[list]) AddLine(sum_[list], line);
    }
  }

  static void AddLine(ordered_json& lines, const ordered_json& line) {
    for (ordered_json& known : lines) {
      if (known["lane"] != line["lane"]) continue;
      for (const char* name : kCounts) {
        known[name] = known[name].get<std::uint64_t>() + line[name].get<std::uint64_t>();
      }
      known["problems_total"] = known["problems_total"].get<std::uint64_t>() +
                                line["problems_total"].get<std::uint64_t>();
      known["counts_checked"] = line["counts_checked"];
      for (const ordered_json& problem : line["problems"]) known["problems"].push_back(problem);
      return;
    }
    lines.push_back(line);
  }

  static std::string NameOf(const ordered_json& line) {
    std::string name = Text(line, "destination");
    if (const std::string replay = Text(line, "replay"); !replay.empty()) name += " " + replay;
    if (!Text(line, "deleted_at").empty()) name += " (deleted)";
    return name;
  }

  std::string SumText() const {
    Table table({"DESTINATION", "EVENTS", "DELIVERED", "FILTERED", "DEAD", "DROPPED", "PENDING",
                 "UNDECIDED", "PROBLEMS"});
    std::string problems;
    for (const char* list : kLists) {
      for (const ordered_json& line : sum_[list]) {
        std::vector<std::string> cells{NameOf(line)};
        for (const char* name : kCounts) cells.push_back(Text(line, name));
        cells.push_back(Text(line, "problems_total"));
        table.Add(cells);
        for (const ordered_json& problem : line["problems"]) {
          problems +=
              EscapeLine(NameOf(line) + " " + Text(problem, "id") + " " + Text(problem, "what")) +
              "\n";
        }
      }
    }
    const std::string verdict =
        sum_["balanced"].get<bool>() ? "every delivery adds up" : "some deliveries do not add up";
    return table.ToString() + problems + verdict + " (" + Text(sum_, "records") + " records, " +
           Text(sum_, "duplicates") + " repeats)\n";
  }

  ApiOptions options_;
  std::optional<std::string> from_;
  std::optional<std::string> to_;
  std::optional<std::string> destination_;
  ordered_json sum_;
};

const CommandRegistration kAudit =
    Register<AuditCommand>("audit", "Checks that every delivery of a server adds up.");

}  // namespace
}  // namespace tributary::cli
