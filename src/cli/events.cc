// tributary events: sends events from a file, and asks what became of one.
#include <nlohmann/json.hpp>
#include <ostream>

#include "cli/batch_sender.h"
#include "cli/escape.h"
#include "cli/pretty_json.h"
#include "cli/receive_format.h"
#include "cli/registry.h"
#include "cli/table.h"

namespace tributary::cli {
namespace {

using nlohmann::ordered_json;

constexpr std::uint64_t kRejectionsShownMax = 20;
constexpr int kLinesMax = 2'000'000'000;

std::string Text(const ordered_json& object, const char* name) {
  if (!object.is_object() || !object.contains(name) || object[name].is_null()) return {};
  return object[name].is_string() ? object[name].get<std::string>() : object[name].dump();
}

// The newest attempt's status, or why there was none.
std::string LastAttempt(const ordered_json& delivery) {
  const ordered_json attempts = delivery.value("attempts", ordered_json::array());
  const ordered_json* last = nullptr;
  for (const auto& attempt : attempts) {
    if (last == nullptr || Text(attempt, "at") >= Text(*last, "at")) last = &attempt;
  }
  if (last == nullptr) return {};
  const std::string error = Text(*last, "error");
  return error.empty() ? Text(*last, "status") : error;
}

std::string TraceText(const ordered_json& trace) {
  const ordered_json event = trace.value("event", ordered_json());
  std::string out = Text(trace, "message_id") + "  " + EventLabel(event.dump()) + "\n";
  out += "received " + Text(trace, "received_at") + " by source " + Text(trace, "source") +
         ", offset " + Text(trace, "offset") + "\n";
  Table table({"DESTINATION", "STATE", "ATTEMPTS", "LAST", "NEXT ATTEMPT"});
  const auto deliveries = trace.value("deliveries", ordered_json::array());
  for (const auto& d : deliveries) {
    table.Add({Text(d, "destination"), Text(d, "state"), Text(d, "attempts_total"), LastAttempt(d),
               Text(d, "next_attempt_at")});
  }
  out = EscapeBlock(out);
  return out + (deliveries.empty() ? "no destination was there for it\n" : table.ToString());
}

class Events final : public Command {
 public:
  void Describe(Arguments& a) override {
    options_.Describe(a);
    Arguments& get = a.Verb("get", "Shows an event and what became of it.",
                            [this](Context& context) { return Get(context); });
    get.Positional("ID", id_, "Its message id.");
    get.Option("--source", source_, "NAME", "Of this source only.");
    Arguments& send = a.Verb("send", "Sends the events of a file, one JSON object per line.",
                             [this](Context& context) { return Send(context); });
    send.Positional("FILE", file_, "NDJSON; - reads standard input.");
    send.Option("--write-key", write_key_, "KEY", "Of the source (TRIBUTARY_WRITE_KEY, or demo).");
    send.Number("--batch", batch_, 1, kBatchEventsMax, "Most events of one request (500).");
    send.Number("--from-line", from_line_, 1, kLinesMax, "Goes on with this line.");
  }

 private:
  int Get(Context& context) {
    const auto api = context.connect(options_.Target(context.environment));
    if (!api) return ComplainOfUsage(context, api.error().message());
    std::string path = "/api/v1/events/" + EncodePathPart(id_);
    if (source_) path += "?source=" + EncodePathPart(*source_);
    const auto body = CallForBody(**api, {.path = path});
    if (!body) return Complain(context, body.error().message());
    const auto trace = ordered_json::parse(*body, nullptr, false);
    if (options_.json || !trace.is_object()) {
      context.out << EscapeBlock(PrettyJson(*body, kAnswerBytesMax).value_or(*body)) << '\n';
    } else {
      context.out << TraceText(trace);
    }
    return kExitFine;
  }

  int Send(Context& context) {
    const auto api = context.connect(options_.Target(context.environment));
    if (!api) return ComplainOfUsage(context, api.error().message());
    auto lines = LineReader::Open(context, file_);
    if (!lines) return ComplainOfUsage(context, lines.error().message());
    std::uint64_t shown = 0;
    const auto on_rejected = [&](std::uint64_t line, const std::string& why) {
      if (++shown > kRejectionsShownMax) return;
      context.err << "line " << line << ": " << EscapeLine(why) << '\n';
    };
    const auto on_progress = [&](const BatchTotals& totals) {
      if (context.err_is_terminal) context.err << '\r' << totals.accepted << " sent" << std::flush;
    };
    BatchSender sender(**api, Options(context), on_rejected, on_progress);
    const Status status = sender.SendAll(*lines);
    if (context.err_is_terminal && sender.totals().accepted > 0) context.err << '\n';
    Summarize(context, sender.totals());
    if (!status) return Complain(context, status.error().message());
    return sender.totals().rejected == 0 ? kExitFine : kExitFailed;
  }

  BatchOptions Options(const Context& context) const {
    BatchOptions options;
    const auto variable = context.environment.find("TRIBUTARY_WRITE_KEY");
    options.write_key = write_key_.value_or(
        variable == context.environment.end() ? std::string("demo") : variable->second);
    options.events_max = static_cast<std::size_t>(batch_);
    options.first_line = static_cast<std::uint64_t>(from_line_);
    return options;
  }

  void Summarize(Context& context, const BatchTotals& totals) const {
    if (options_.json) {
      context.out << "{\"accepted\":" << totals.accepted << ",\"rejected\":" << totals.rejected
                  << "}\n";
    } else {
      context.out << totals.accepted << " accepted, " << totals.rejected << " rejected\n";
    }
  }

  ApiOptions options_;
  std::string id_;
  std::optional<std::string> source_;
  std::string file_;
  std::optional<std::string> write_key_;
  int batch_ = static_cast<int>(BatchOptions().events_max);
  int from_line_ = 1;
};

const CommandRegistration kEvents =
    Register<Events>("events", "Sends events, and shows what became of one.");

}  // namespace
}  // namespace tributary::cli
