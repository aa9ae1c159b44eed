// tributary destinations: list, make, show and steer the destinations of a running server.
#include <nlohmann/json.hpp>

#include "cli/api_command.h"
#include "cli/assignments.h"
#include "cli/escape.h"
#include "cli/input.h"
#include "config/option_list.h"

namespace tributary::cli {
namespace {

using nlohmann::ordered_json;

constexpr std::string_view kDestinationsPath = "/api/v1/destinations";

std::string DestinationStatus(const ordered_json& destination) {
  std::string status = Cell(destination, "status");
  if (Cell(destination, "enabled") == "false") status = "off";
  const std::string reason = Cell(destination, "status_reason");
  return reason.empty() ? status : status + " (" + reason + ")";
}

class Destinations final : public ApiCommand {
 public:
  void Describe(Arguments& a) override {
    options_.Describe(a);
    a.Verb("list", "Lists them.", Calls(&Destinations::List));
    Named(a, "show", "Shows one.", &Destinations::Show).AlsoCalled("get");
    DescribeChanges(a);
    Named(a, "pause", "Stops sending; the backlog stays.", &Destinations::Pause);
    Named(a, "resume", "Sends again.", &Destinations::Resume);
    Named(a, "stats", "Counts deliveries and what waits.", &Destinations::Stats);
    DescribeTrials(a);
    Named(a, "revisions", "Lists what it was before.", &Destinations::Revisions);
    Named(a, "revert", "Makes it again what it was at a revision.", &Destinations::Revert)
        .Number("--to", revision_, 1, 2'000'000'000, "The revision.");
  }

 private:
  using Method = Result<std::string> (Destinations::*)(Context&, Api&);

  Arguments& Named(Arguments& a, const std::string& verb, const std::string& help, Method method) {
    Arguments& arguments = a.Verb(verb, help, Calls(method));
    arguments.Positional("NAME", name_, "The destination.");
    return arguments;
  }

  void DescribeChanges(Arguments& a) {
    Arguments& create = a.Verb("create", "Makes one.", Calls(&Destinations::Create));
    create.AlsoCalled("add");
    create.Positional("FILE", file_, "Its JSON; - reads standard input.");
    Named(a, "set", "Changes options: set NAME concurrency=3 retry.schedule='[\"0s\"]'.",
          &Destinations::Set)
        .Positionals("OPTION=VALUE", assignments_, "A dot goes into a group; null is the default.");
    Named(a, "patch", "Changes what a file names (RFC 7396).", &Destinations::Patch)
        .Positional("FILE", file_, "JSON; - reads standard input.");
    Named(a, "delete", "Removes one and what waits for it.", &Destinations::Delete);
  }

  void DescribeTrials(Arguments& a) {
    Arguments& test =
        Named(a, "test",
              "Sends it one event now, and shows request and answer; exits 1 unless delivered.",
              &Destinations::Test);
    Arguments& dry = Named(a, "dry-run", "Shows what would be sent, and why; sends nothing.",
                           &Destinations::DryRun);
    for (Arguments* arguments : {&test, &dry}) {
      arguments->Option("--event", event_file_, "FILE",
                        "JSON of an event; without one a sample is taken.");
      arguments->Option("--message-id", message_id_, "ID", "An event that was received.");
    }
  }

  std::string PathOf(std::string_view rest = {}) const {
    return std::string(kDestinationsPath) + "/" + EncodePathPart(name_) + std::string(rest);
  }

  Result<std::string> List(Context&, Api& api) {
    return ListOf(api, std::string(kDestinationsPath), kAllEntries,
                  {{"NAME", "name"},
                   {"TYPE", "type"},
                   {"STATUS", "status", DestinationStatus},
                   {"URL", "url"}});
  }
  Result<std::string> Show(Context&, Api& api) { return GetPretty(api, PathOf()); }
  Result<std::string> Create(Context& context, Api& api) {
    TRY_ASSIGN(std::string object, ReadObjectFile(context));
    TRY_ASSIGN(const std::string body,
               Post(api, std::string(kDestinationsPath), std::move(object)));
    return Said(body, "made '" + Cell(ordered_json::parse(body, nullptr, false), "name") + "'");
  }
  Result<std::string> Set(Context&, Api& api) {
    TRY_ASSIGN(std::string object, ObjectOf(assignments_));
    return Change(api, std::move(object));
  }
  Result<std::string> Patch(Context& context, Api& api) {
    TRY_ASSIGN(std::string object, ReadObjectFile(context));
    return Change(api, std::move(object));
  }
  Result<std::string> Change(Api& api, std::string object) {
    TRY_ASSIGN(const std::string body,
               CallForBody(api, {.method = "PATCH", .path = PathOf(), .body = std::move(object)}));
    return Said(body, "changed '" + name_ + "', now revision " +
                          Cell(ordered_json::parse(body, nullptr, false), "revision"));
  }
  Result<std::string> Delete(Context&, Api& api) {
    TRY(CallForBody(api, {.method = "DELETE", .path = PathOf()}));
    return Said("{}", "deleted '" + name_ + "'");
  }
  Result<std::string> Pause(Context&, Api& api) {
    TRY_ASSIGN(const std::string body, Post(api, PathOf("/pause")));
    return Said(body, "paused '" + name_ + "'");
  }
  Result<std::string> Resume(Context&, Api& api) {
    TRY_ASSIGN(const std::string body, Post(api, PathOf("/resume")));
    return Said(body, "resumed '" + name_ + "'");
  }
  Result<std::string> Stats(Context&, Api& api) {
    TRY_ASSIGN(const std::string body, CallForBody(api, {.path = PathOf("/stats")}));
    return options_.json ? Pretty(body) : FieldsText(body);
  }
  // Whatever else came of it is shown all the same; scripts go by the exit code.
  Result<std::string> Test(Context& context, Api& api) {
    TRY_ASSIGN(const std::string answer, Try(context, api, "/test"));
    const std::string verdict = Cell(ordered_json::parse(answer, nullptr, false), "verdict");
    if (verdict != "delivered") exit_code_ = kExitFailed;
    return Pretty(answer);
  }
  Result<std::string> DryRun(Context& context, Api& api) {
    TRY_ASSIGN(const std::string answer, Try(context, api, "/dry-run"));
    return Pretty(answer);
  }
  Result<std::string> Revisions(Context&, Api& api) {
    return ListOf(api, PathOf("/revisions"), kAllEntries,
                  {{"REVISION", "revision"}, {"AT", "at"}, {"WHO", "who"}, {"CHANGED", "changed"}});
  }
  Result<std::string> Revert(Context&, Api& api) {
    if (revision_ == 0) return WrongUsage("--to REVISION says which one");
    TRY_ASSIGN(const std::string body,
               Post(api, PathOf("/revert"), "{\"revision\":" + std::to_string(revision_) + "}"));
    return Said(body, "'" + name_ + "' is what it was at revision " + std::to_string(revision_));
  }

  // The event is put into the body as it is: numbers and order are its own.
  Result<std::string> Try(Context& context, Api& api, const char* rest) {
    if (event_file_ && message_id_) {
      return WrongUsage("--event and --message-id exclude each other");
    }
    std::string body;  // none: a sample
    if (event_file_) {
      TRY_ASSIGN(const std::string event,
                 ReadWhole(context, *event_file_, config::kOptionsBytesMax));
      body = "{\"event\":" + event + "}";
    } else if (message_id_) {
      body = ordered_json({{"message_id", *message_id_}})
                 .dump(-1, ' ', false, ordered_json::error_handler_t::replace);
    }
    return Post(api, PathOf(rest), std::move(body));
  }

  Result<std::string> ReadObjectFile(Context& context) const {
    TRY_ASSIGN(std::string object, ReadWhole(context, file_, config::kOptionsBytesMax));
    if (object.empty()) return Fail(ErrorCode::kInvalid, file_ + " is empty");
    return object;
  }

  std::string name_;
  std::string file_;
  std::vector<std::string> assignments_;
  std::optional<std::string> event_file_;
  std::optional<std::string> message_id_;
  int revision_ = 0;
};

const CommandRegistration kDestinations =
    Register<Destinations>("destinations", "Lists, makes and steers a server's destinations.");

}  // namespace
}  // namespace tributary::cli
