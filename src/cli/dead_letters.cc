// tributary dead-letters: what was given up; sent again, or deleted.
#include <nlohmann/json.hpp>

#include "cli/api_command.h"
#include "cli/delivery_columns.h"
#include "cli/progress_bar.h"
#include "config/json_text.h"

namespace tributary::cli {
namespace {

using nlohmann::ordered_json;

constexpr std::string_view kDeadLettersPath = "/api/v1/dead-letters";

class DeadLetters final : public ApiCommand {
 public:
  void Describe(Arguments& a) override {
    options_.Describe(a);
    Arguments& list = a.Verb("list", "Lists them, newest first.", Calls(&DeadLetters::List));
    list.Option("--message-id", message_id_, "ID", "Of this event only.");
    list.Option("--source", source_, "NAME", "Of this source only.");
    list.Number("--limit", limit_, 1, kListEntriesMax, "Most entries (100).");
    a.Verb("show", "Shows one with its event.", Calls(&DeadLetters::Show))
        .Positional("ID", id_, "As 'list' shows it.");
    Arguments& redrive =
        a.Verb("redrive", "Sends those selected again.", Calls(&DeadLetters::Redrive));
    Arguments& remove = a.Verb("delete", "Deletes those selected.", Calls(&DeadLetters::Delete));
    for (Arguments* arguments : {&list, &redrive, &remove}) {
      arguments->Option("--destination", destination_, "NAME", "At this destination only.");
      arguments->Option("--since", since_, "TIME", "Died then or later.");
      arguments->Option("--until", until_, "TIME", "Died before.");
    }
    for (Arguments* arguments : {&redrive, &remove}) {
      arguments->Option("--id", ids_, "ID", "This one; may be given several times.");
      arguments->Flag("--all", all_, "All of them.");
    }
  }

 private:
  Result<std::string> List(Context&, Api& api) {
    const std::string path = PathWith(std::string(kDeadLettersPath), {{"destination", destination_},
                                                                      {"since", since_},
                                                                      {"until", until_},
                                                                      {"message_id", message_id_},
                                                                      {"source", source_}});
    return ListOf(api, path, static_cast<std::size_t>(limit_),
                  {{"ID", "id"},
                   {"MESSAGE ID", "message_id"},
                   {"DESTINATION", "destination"},
                   {"ATTEMPTS", "", AttemptsCell},
                   {"REASON", "reason"},
                   {"LAST", "", LastAttemptCell}});
  }
  Result<std::string> Show(Context&, Api& api) {
    return GetPretty(api, std::string(kDeadLettersPath) + "/" + EncodePathPart(id_));
  }
  Result<std::string> Redrive(Context& context, Api& api) {
    return Move(context, api, "redrive", "redrives", "redriven");
  }
  Result<std::string> Delete(Context& context, Api& api) {
    return Move(context, api, "delete", "deletions", "deleted");
  }

  // Nothing selected would be everything: that must be said.
  Result<std::string> Selection() const {
    ordered_json body = ordered_json::object();
    if (destination_) body["destination"] = *destination_;
    if (!ids_.empty()) body["ids"] = ids_;
    if (since_) body["since"] = *since_;
    if (until_) body["until"] = *until_;
    if (body.empty() != all_) {
      return WrongUsage(all_ ? "--all stands alone"
                             : "say which ones: --destination, --id, --since, --until or --all");
    }
    return config::DumpOrderedText(body);
  }

  // A large move is answered while it runs; it is watched to its end.
  Result<std::string> Move(Context& context, Api& api, const std::string& verb,
                           const std::string& running, const std::string& done) {
    TRY_ASSIGN(std::string selection, Selection());
    TRY_ASSIGN(std::string text,
               Post(api, std::string(kDeadLettersPath) + "/" + verb, std::move(selection)));
    ProgressBar bar(context, done, ProgressBar::Unit::kCount);
    ordered_json moving = ordered_json::parse(text, nullptr, false);
    while (moving.is_object() && Cell(moving, "state") == "running") {
      bar.Show(NumberCell(moving, "done"), NumberCell(moving, "total"));
      api.Wait(kProgressPollNs);
      TRY_ASSIGN(text, CallForBody(api, {.path = std::string(kDeadLettersPath) + "/" + running +
                                                 "/" + EncodePathPart(Cell(moving, "id"))}));
      moving = ordered_json::parse(text, nullptr, false);
    }
    return Said(text, done + " " + Cell(moving, done.c_str()));
  }

  std::string id_;
  std::optional<std::string> destination_, since_, until_, message_id_, source_;
  std::vector<std::string> ids_;
  bool all_ = false;
  int limit_ = 100;
};

const CommandRegistration kDeadLetters =
    Register<DeadLetters>("dead-letters", "Lists what was given up; sends it again or deletes it.");

}  // namespace
}  // namespace tributary::cli
