// tributary events: sends events from a file, lists and follows what comes in, and asks what became
// of one.
#include <nlohmann/json.hpp>
#include <ostream>

#include "cli/api_command.h"
#include "cli/batch_sender.h"
#include "cli/delivery_columns.h"
#include "cli/escape.h"
#include "cli/event_stream.h"
#include "cli/pretty_json.h"
#include "cli/progress_bar.h"
#include "cli/receive_format.h"
#include "cli/registry.h"
#include "cli/table.h"

namespace tributary::cli {
namespace {

using nlohmann::ordered_json;

constexpr std::uint64_t kRejectionsShownMax = 20;
constexpr int kLinesMax = 2'000'000'000;
constexpr MonoNanos kReconnectNs = 2 * kNanosPerSecond;

// Of "track" and "Order Completed": the two as one cell.
std::string LabelCell(const ordered_json& event) {
  const std::string name = Cell(event, "name");
  return Cell(event, "type") + (name.empty() ? "" : " " + name);
}

std::string TraceText(const ordered_json& trace) {
  const ordered_json event = trace.value("event", ordered_json());
  std::string out = Cell(trace, "message_id") + "  " + EventLabel(event.dump()) + "\n";
  out += "received " + Cell(trace, "received_at") + " by source " + Cell(trace, "source") +
         ", offset " + Cell(trace, "offset") + "\n";
  Table table({"DESTINATION", "STATE", "ATTEMPTS", "LAST", "NEXT ATTEMPT", "REASON"});
  const auto deliveries = trace.value("deliveries", ordered_json::array());
  for (const auto& d : deliveries) {
    table.Add({Cell(d, "destination"), Cell(d, "state"), Cell(d, "attempts_total"),
               LastAttemptCell(d), Cell(d, "next_attempt_at"), ReasonCell(d)});
  }
  out = EscapeBlock(out);
  return out + (deliveries.empty() ? "no destination was there for it\n" : table.ToString());
}

class Events final : public ApiCommand {
 public:
  void Describe(Arguments& a) override {
    options_.Describe(a);
    Arguments& show = a.Verb("show", "Shows an event and what became of it.",
                             [this](Context& context) { return Show(context); });
    show.AlsoCalled("get");
    show.Positional("ID", id_, "Its message id.");
    Arguments& list = a.Verb("list", "Lists what came in, newest first.", Calls(&Events::List));
    list.Option("--since", since_, "TIME", "Received then or later.");
    list.Option("--until", until_, "TIME", "Received before.");
    list.Flag("--oldest-first", oldest_first_, "The other way round.");
    list.Number("--limit", limit_, 1, kLinesMax, "Most entries (100).");
    Arguments& tail = a.Verb("tail", "Shows events as they come.",
                             [this](Context& context) { return Tail(context); });
    tail.Number("--count", count_, 1, kLinesMax, "Ends after so many.");
    for (Arguments* arguments : {&show, &list, &tail}) {
      arguments->Option("--source", source_, "NAME", "Of this source only.");
    }
    for (Arguments* arguments : {&list, &tail}) {
      arguments->Option("--type", type_, "TYPE", "track, identify, page, screen, group or alias.");
      arguments->Option("--name", name_, "NAME", "Of this name; * stands for anything.");
      arguments->Option("--key", key_, "KEY", "Of this record key.");
      arguments->Option("--kind", kind_, "KIND", "Of another kind than event.");
    }
    Arguments& send = a.Verb("send", "Sends the events of a file, one JSON object per line.",
                             [this](Context& context) { return Send(context); });
    send.Positional("FILE", file_, "NDJSON; - reads standard input.");
    send.Option("--write-key", write_key_, "KEY", "Of the source (TRIBUTARY_WRITE_KEY, or demo).");
    send.Number("--batch", batch_, 1, kBatchEventsMax, "Most events of one request (500).");
    send.Number("--from-line", from_line_, 1, kLinesMax, "Goes on with this line.");
  }

 private:
  int Show(Context& context) {
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

  std::vector<QueryOption> Filters() const {
    return {{"source", source_}, {"type", type_}, {"name", name_}, {"key", key_}, {"kind", kind_}};
  }

  Result<std::string> List(Context&, Api& api) {
    std::string path = PathWith("/api/v1/events", Filters());
    path = PathWith(path, {{"since", since_}, {"until", until_}});
    if (oldest_first_) path = WithQuery(path, "order", "asc");
    return ListOf(api, path, static_cast<std::size_t>(limit_),
                  {{"RECEIVED", "received_at"},
                   {"SOURCE", "source"},
                   {"EVENT", "", LabelCell},
                   {"KEY", "key"},
                   {"MESSAGE ID", "message_id"}});
  }

  // Until it has shown so many, or somebody ends it; a connection that breaks is opened again.
  int Tail(Context& context) {
    const auto api = context.connect(options_.Target(context.environment));
    if (!api) return ComplainOfUsage(context, api.error().message());
    int left = count_;
    EventStream stream([&](const EventStream::Event& event) {
      ShowTailed(context, event);
      return count_ == 0 || event.name == "skipped" || --left > 0;
    });
    ApiCall call{.path = PathWith("/api/v1/events/tail", Filters())};
    for (bool seen = false;; seen = true) {
      const auto answer = (*api)->Stream(call, [&](std::string_view piece) {
        seen = true;
        return stream.Take(piece);
      });
      if (count_ != 0 && left <= 0) return kExitFine;
      if (answer && answer->status != 200) return Complain(context, MessageOf(*answer));
      if (!answer && !seen) return Complain(context, answer.error().message());
      if (!context.out) return kExitFailed;  // nobody reads what is shown
      stream.Cut();
      if (!stream.last_id().empty()) call.headers = {{"Last-Event-ID", stream.last_id()}};
      (*api)->Wait(kReconnectNs);
    }
  }

  void ShowTailed(Context& context, const EventStream::Event& event) const {
    const auto entry = ordered_json::parse(event.data, nullptr, false);
    if (event.name == "skipped") {
      context.err << "skipped " << EscapeLine(Cell(entry, "count"))
                  << " events: " << EscapeLine(Cell(entry, "reason")) << '\n'
                  << std::flush;
    } else if (options_.json) {
      context.out << EscapeLine(event.data) << '\n' << std::flush;
    } else {
      context.out << EscapeLine(Cell(entry, "received_at") + "  " + Cell(entry, "source") + "  " +
                                LabelCell(entry) + "  " + Cell(entry, "key") + "  " +
                                Cell(entry, "message_id"))
                  << '\n'
                  << std::flush;
    }
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
    std::optional<ProgressBar> bar(std::in_place, context, "sending", ProgressBar::Unit::kBytes);
    const auto on_progress = [&](const BatchTotals&) {
      bar->Show(lines->bytes_taken(), lines->bytes_total());
    };
    BatchSender sender(**api, Options(context), on_rejected, on_progress);
    const Status status = sender.SendAll(*lines);
    bar.reset();
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

  std::string id_;
  std::optional<std::string> source_, type_, name_, key_, kind_, since_, until_;
  bool oldest_first_ = false;
  int limit_ = 100;
  int count_ = 0;
  std::string file_;
  std::optional<std::string> write_key_;
  int batch_ = static_cast<int>(BatchOptions().events_max);
  int from_line_ = 1;
};

const CommandRegistration kEvents =
    Register<Events>("events", "Sends events, and shows what became of one.");

}  // namespace
}  // namespace tributary::cli
