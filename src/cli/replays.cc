// tributary replays: stretches of the log, sent to a destination once more.
#include <nlohmann/json.hpp>

#include "cli/api_command.h"
#include "cli/progress_bar.h"
#include "config/json_text.h"

namespace tributary::cli {
namespace {

using nlohmann::ordered_json;

constexpr std::string_view kReplaysPath = "/api/v1/replays";
constexpr int kRateMax = 10'000'000;

std::string ScannedCell(const ordered_json& replay) {
  return Cell(replay, "scanned") + " of " + Cell(replay, "total");
}

class Replays final : public ApiCommand {
 public:
  void Describe(Arguments& a) override {
    options_.Describe(a);
    Arguments& create = a.Verb("create", "Begins one.", Calls(&Replays::Create));
    create.Positional("DESTINATION", destination_, "Where to.");
    create.Option("--from", from_, "TIME", "RFC 3339, 'earliest', or a span ago such as 2h.");
    create.Option("--to", to_, "TIME", "Before which events must have come (now).");
    create.Option("--filter", filter_, "JQ", "Only events for which this holds.");
    create.Option("--pattern", pattern_, "JSON", "Only events that this pattern fits.");
    create.Number("--rate", rate_, 0, kRateMax, "Attempts per second; 0: the destination's own.");
    create.Flag("--watch", watch_, "Waits until it has ended.");
    Arguments& list = a.Verb("list", "Lists them, newest first.", Calls(&Replays::List));
    list.Option("--destination", of_destination_, "NAME", "To this destination only.");
    Named(a, "show", "Shows one and how far it is.", &Replays::Show);
    Named(a, "watch", "Shows how far it is until it has ended.", &Replays::Watch);
    Named(a, "pause", "Stops sending until resumed.", &Replays::Pause);
    Named(a, "resume", "Goes on.", &Replays::Resume);
    Named(a, "cancel", "Ends it; what is left is dropped.", &Replays::Cancel);
    Named(a, "delete", "Removes one that has ended.", &Replays::Delete);
  }

 private:
  using Method = Result<std::string> (Replays::*)(Context&, Api&);
  void Named(Arguments& a, const std::string& verb, const std::string& help, Method method) {
    a.Verb(verb, help, Calls(method)).Positional("ID", id_, "The replay.");
  }
  std::string PathOf(std::string_view rest = {}) const {
    return std::string(kReplaysPath) + "/" + EncodePathPart(id_) + std::string(rest);
  }

  Result<std::string> Create(Context& context, Api& api) {
    if (!from_) return WrongUsage("--from TIME says where it begins");
    ordered_json body = {{"destination", destination_}, {"from", *from_}};
    if (to_) body["to"] = *to_;
    if (filter_) body["filter"] = *filter_;
    if (rate_ > 0) body["rate"] = rate_;
    if (pattern_) {
      body["pattern"] = ordered_json::parse(*pattern_, nullptr, false);
      if (body["pattern"].is_discarded()) return WrongUsage("--pattern is no JSON");
    }
    TRY_ASSIGN(const std::string made,
               Post(api, std::string(kReplaysPath), config::DumpOrderedText(body)));
    id_ = Cell(ordered_json::parse(made, nullptr, false), "id");
    if (watch_) return Watch(context, api);
    return Said(made, "began " + id_);
  }
  Result<std::string> List(Context&, Api& api) {
    return ListOf(api, PathWith(std::string(kReplaysPath), {{"destination", of_destination_}}),
                  kAllEntries,
                  {{"ID", "id"},
                   {"DESTINATION", "destination"},
                   {"STATE", "state"},
                   {"SCANNED", "", ScannedCell},
                   {"DELIVERED", "delivered"},
                   {"DEAD", "dead_lettered"},
                   {"FROM", "from"},
                   {"TO", "to"}});
  }
  Result<std::string> Show(Context&, Api& api) {
    TRY_ASSIGN(const std::string body, CallForBody(api, {.path = PathOf()}));
    return options_.json ? Pretty(body) : FieldsText(body);
  }

  // Ended is what has a "finished_at".
  Result<std::string> Watch(Context& context, Api& api) {
    ProgressBar bar(context, "replaying", ProgressBar::Unit::kCount);
    for (;;) {
      TRY_ASSIGN(const std::string body, CallForBody(api, {.path = PathOf()}));
      const auto replay = ordered_json::parse(body, nullptr, false);
      if (!replay.is_object()) return Fail(ErrorCode::kInternal, "the server's answer is no JSON");
      bar.Show(NumberCell(replay, "scanned"), NumberCell(replay, "total"));
      if (!Cell(replay, "finished_at").empty()) {
        const std::string state = Cell(replay, "state");
        if (state == "failed") {
          return Fail(ErrorCode::kIo, "the replay failed: " + Cell(replay, "reason"));
        }
        return Said(body, state + ": " + Cell(replay, "delivered") + " delivered, " +
                              Cell(replay, "filtered") + " filtered, " +
                              Cell(replay, "dead_lettered") + " dead-lettered, " +
                              Cell(replay, "dropped") + " dropped");
      }
      api.Wait(kProgressPollNs);
    }
  }

  Result<std::string> Pause(Context&, Api& api) {
    TRY_ASSIGN(const std::string body, Post(api, PathOf("/pause")));
    return Said(body, "paused " + id_);
  }
  Result<std::string> Resume(Context&, Api& api) {
    TRY_ASSIGN(const std::string body, Post(api, PathOf("/resume")));
    return Said(body, "resumed " + id_);
  }
  Result<std::string> Cancel(Context&, Api& api) {
    TRY_ASSIGN(const std::string body, Post(api, PathOf("/cancel")));
    return Said(body, "cancelled " + id_);
  }
  Result<std::string> Delete(Context&, Api& api) {
    TRY(CallForBody(api, {.method = "DELETE", .path = PathOf()}));
    return Said("{}", "deleted " + id_);
  }

  std::string id_;
  std::string destination_;
  std::optional<std::string> from_, to_, filter_, pattern_, of_destination_;
  int rate_ = 0;
  bool watch_ = false;
};

const CommandRegistration kReplays =
    Register<Replays>("replays", "Sends stretches of the log to a destination once more.");

}  // namespace
}  // namespace tributary::cli
