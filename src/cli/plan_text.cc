#include "cli/plan_text.h"

#include <nlohmann/json.hpp>
#include <ostream>

#include "cli/api_command.h"
#include "cli/escape.h"

namespace tributary::cli {
namespace {

using nlohmann::ordered_json;

ordered_json Member(const ordered_json& object, const char* name) {
  return object.is_object() ? object.value(name, ordered_json::array()) : ordered_json::array();
}

// Texts without quotes; nothing for what is not there.
std::string Shown(const ordered_json& value) {
  if (value.is_null()) return "(none)";
  return value.is_string() ? value.get<std::string>() : value.dump();
}

std::string FieldLine(const ordered_json& field, bool added) {
  const std::string before = Shown(field.value("before", ordered_json()));
  const std::string after = Shown(field.value("after", ordered_json()));
  // A secret is hidden on both sides; that it changed is all that can be said.
  const std::string text = added ? after : before == after ? "changed" : before + " -> " + after;
  return Cell(field, "field") + "  " + text;
}

std::string ChangeText(const ordered_json& change) {
  const std::string action = Cell(change, "action");
  const std::string restart =
      change.value("needs_restart", false) ? " (needs a restart)" : std::string();
  const ordered_json fields = Member(change, "fields");
  if (Cell(change, "kind") == "setting") {
    std::string out;
    for (const auto& field : fields) {
      out += EscapeLine("~ " + FieldLine(field, false) + restart) + "\n";
    }
    return out;
  }
  const std::string thing = Cell(change, "kind") + " \"" + Cell(change, "name") + "\"";
  if (action == "pause") {
    return EscapeLine("- " + thing + ": no longer declared, is paused" + restart) + "\n";
  }
  const bool added = action == "add";
  std::string out = EscapeLine((added ? "+ " : "~ ") + thing + restart) + "\n";
  for (const auto& field : fields) out += "    " + EscapeLine(FieldLine(field, added)) + "\n";
  return out;
}

std::string Names(const ordered_json& list) {
  std::string out;
  for (const auto& name : list) out += (out.empty() ? "" : ", ") + Shown(name);
  return EscapeLine(out);
}

}  // namespace

std::string PlanText(std::string_view body) {
  const auto plan = ordered_json::parse(body, nullptr, false);
  std::string out;
  for (const auto& change : Member(plan, "changes")) out += ChangeText(change);
  return out.empty() ? "nothing would change\n" : out;
}

std::string ReloadText(std::string_view body) {
  const auto reload = ordered_json::parse(body, nullptr, false);
  const auto applied = Member(reload, "applied");
  const auto restart = Member(reload, "needs_restart");
  std::string out = applied.empty() ? "nothing changed\n" : "applied: " + Names(applied) + "\n";
  if (!restart.empty()) out += "needs a restart: " + Names(restart) + "\n";
  return out;
}

bool PlanHasChanges(std::string_view body) {
  return !Member(ordered_json::parse(body, nullptr, false), "changes").empty();
}

int ComplainOfConfig(Context& context, const ApiAnswer& answer) {
  const auto problems = Member(ordered_json::parse(answer.body, nullptr, false), "problems");
  if (problems.empty()) return Complain(context, MessageOf(answer));
  for (const auto& p : problems) {
    std::string place = Cell(p, "file");
    if (Cell(p, "line") != "0") place += ":" + Cell(p, "line") + ":" + Cell(p, "column");
    context.err << EscapeLine(place + ": " + Cell(p, "message")) << '\n';
  }
  context.err << std::flush;
  return kExitUsage;
}

}  // namespace tributary::cli
