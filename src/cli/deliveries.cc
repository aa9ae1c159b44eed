// tributary deliveries: what became of events at destinations, newest first.
#include <nlohmann/json.hpp>

#include "cli/api_command.h"
#include "cli/delivery_columns.h"

namespace tributary::cli {
namespace {

class Deliveries final : public ApiCommand {
 public:
  void Describe(Arguments& a) override {
    options_.Describe(a);
    Arguments& list = a.Verb("list", "Lists them.", Calls(&Deliveries::List));
    list.Option("--destination", filters_[0].value, "NAME", "At this destination only.");
    list.Option("--state", filters_[1].value, "STATE",
                "pending, delivered, retrying, dead_lettered, filtered or dropped.");
    list.Option("--message-id", filters_[2].value, "ID", "Of this event only.");
    list.Option("--since", filters_[3].value, "TIME", "Not before.");
    list.Option("--until", filters_[4].value, "TIME", "Before.");
    list.Number("--limit", limit_, 1, kListEntriesMax, "Most entries (100).");
  }

 private:
  Result<std::string> List(Context&, Api& api) {
    return ListOf(api, PathWith("/api/v1/deliveries", filters_), static_cast<std::size_t>(limit_),
                  {{"MESSAGE ID", "message_id"},
                   {"SOURCE", "source"},
                   {"DESTINATION", "destination"},
                   {"STATE", "state"},
                   {"ATTEMPTS", "", AttemptsCell},
                   {"LAST", "", LastAttemptCell},
                   {"REASON", "", ReasonCell},
                   {"NEXT ATTEMPT", "next_attempt_at"}});
  }

  std::vector<QueryOption> filters_ = {
      {"destination", {}}, {"state", {}}, {"message_id", {}}, {"since", {}}, {"until", {}}};
  int limit_ = 100;
};

const CommandRegistration kDeliveries =
    Register<Deliveries>("deliveries", "Lists what became of events at destinations.");

}  // namespace
}  // namespace tributary::cli
