#include "control/shapes.h"

namespace tributary::control::shapes {
namespace {

using schema::Always;
using schema::AnyObject;
using schema::Anything;
using schema::Count;
using schema::Flag;
using schema::ListOf;
using schema::MapOf;
using schema::Named;
using schema::Number;
using schema::Object;
using schema::OptionsShown;
using schema::OptionsToChange;
using schema::OrNull;
using schema::Requiring;
using schema::Schema;
using schema::Text;
using schema::Time;
using schema::With;
using schema::Word;

Schema Breaker() {
  return Object({{"state", Word({"closed", "open", "half_open"})},
                 {"since", OrNull(Time())},
                 {"error", OrNull(Text())}});
}

Schema StateWord() {
  return Word({"pending", "delivered", "retrying", "dead_lettered", "filtered", "dropped"});
}

Schema Attempt() {
  return Named("Attempt", Object({{"at", Time()},
                                  {"status", Count()},
                                  {"duration_ms", Number()},
                                  {"error", OrNull(Text())},
                                  {"response", Text()},
                                  {"revision", Count()}}));
}

// What is known of a pair whoever asks (deliver::PairTraceJson).
Schema Pair() {
  return Named("DeliveryOfEvent", Object({{"id", Text()},
                                          {"webhook_id", Text()},
                                          {"destination", Text()},
                                          {"state", StateWord()},
                                          {"rule_revision", OrNull(Count())},
                                          {"attempts", ListOf(Attempt())},
                                          {"attempts_total", Count()},
                                          {"next_attempt_at", OrNull(Time())},
                                          {"rule?", Text()},
                                          {"reason?", Text()},
                                          {"destination_deleted_at?", Time()}}));
}

// What the index alone knows of an event; the rest needs its record.
Schema PlacedEvent() {
  return Object({{"message_id", Text()},
                 {"source", OrNull(Text())},
                 {"received_at", Time()},
                 {"partition", Count()},
                 {"offset", Count()},
                 {"event", OrNull(AnyObject())}});
}

}  // namespace

Schema Destination(const std::vector<config::OptionSpec>& options) {
  return Named("Destination", With(Requiring(OptionsShown(options), {"name", "type"}),
                                   {{"id", Count()},
                                    {"revision", Count()},
                                    {"status", Word({"active", "paused", "disabled"})},
                                    {"status_reason", Text()},
                                    {"breaker", Breaker()},
                                    {"declared", Flag()},
                                    {"signing_public_key?", Text()}}));
}

Schema DestinationToReplace(const std::vector<config::OptionSpec>& options) {
  return With(Requiring(OptionsToChange(options), {"type"}), {{"id?", Anything()},
                                                              {"revision?", Anything()},
                                                              {"status?", Anything()},
                                                              {"status_reason?", Anything()},
                                                              {"breaker?", Anything()},
                                                              {"declared?", Anything()},
                                                              {"signing_public_key?", Anything()}});
}

Schema Stats() {
  return Object({{"delivered", Count()},
                 {"filtered", Count()},
                 {"dead_lettered", Count()},
                 {"dropped", Count()},
                 {"dropped_by", MapOf(Count())},
                 {"retrying", Count()},
                 {"followers", Count()},
                 {"in_flight", Count()},
                 {"lag", Count()},
                 {"p50_ms", Number()},
                 {"p95_ms", Number()},
                 {"success_rate", Number()},
                 {"breaker", Word({"closed", "open", "half_open"})},
                 {"breaker_since", OrNull(Time())},
                 {"breaker_error", OrNull(Text())},
                 {"window", Count()}});
}

Schema WriteKey() {
  return Named("WriteKey", Object({{"id", Text()},
                                   {"key", Text()},
                                   {"enabled", Flag()},
                                   {"status", Word({"active", "disabled", "expired"})},
                                   {"created_at", OrNull(Time())},
                                   {"expires_at", OrNull(Time())},
                                   {"scopes", ListOf(Text())}}));
}

Schema Source() {
  return Named("Source", Object({{"id", Count()},
                                 {"name", Text()},
                                 {"enabled", Flag()},
                                 {"keyless", Flag()},
                                 {"browser", Flag()},
                                 {"ack", Word({"durable", "applied"})},
                                 {"event_size", Count()},
                                 {"batch_size", Count()},
                                 {"write_key?", Text()},  // whole, where one is made
                                 {"write_keys", ListOf(WriteKey())},
                                 {"declared", Flag()},
                                 {"created_at", OrNull(Time())},
                                 {"status", Word({"active", "disabled", "paused"})},
                                 {"status_reason", Text()}}));
}

Schema Event() {
  return Named("Event", With(PlacedEvent(), {{"kind", Text()},
                                             {"type", Text()},
                                             {"name", Text()},
                                             {"key", Text()},
                                             {"event_time", Time()},
                                             {"duplicate", Flag()},
                                             {"historical", Flag()},
                                             {"test", Flag()}}));
}

Schema Trace() {
  const Schema repeat =
      Object({{"received_at", Time()}, {"partition", Count()}, {"offset", Count()}});
  return Named("EventTrace", With(PlacedEvent(), {{"kind?", Text()},
                                                  {"type?", Text()},
                                                  {"name?", Text()},
                                                  {"key?", Text()},
                                                  {"event_time?", Time()},
                                                  {"duplicate?", Flag()},
                                                  {"historical?", Flag()},
                                                  {"test?", Flag()},
                                                  {"damaged", Flag()},
                                                  {"duplicates", Count()},
                                                  {"newest_duplicates", ListOf(repeat)},
                                                  {"deliveries", ListOf(Pair())}}));
}

Schema Delivery() {
  return Named("Delivery", With(Pair(), {{"message_id", OrNull(Text())},
                                         {"source", OrNull(Text())},
                                         {"received_at", OrNull(Time())}}));
}

Schema Replay() {
  return Named("Replay",
               Object({{"id", Text()},
                       {"destination", Text()},
                       {"from", Time()},
                       {"to", Time()},
                       {"state", Word({"running", "paused", "done", "cancelled", "failed"})},
                       {"reason", Text()},
                       {"rate", Number()},
                       {"filter", OrNull(Text())},
                       {"pattern", OrNull(AnyObject())},
                       {"total", Count()},
                       {"scanned", Count()},
                       {"delivered", Count()},
                       {"filtered", Count()},
                       {"dead_lettered", Count()},
                       {"dropped", Count()},
                       {"retrying", Count()},
                       {"in_flight", Count()},
                       {"lag", Count()},
                       {"created_at", Time()},
                       {"finished_at", OrNull(Time())}}));
}

Schema NewReplay() {
  return Object({{"destination", Text()},
                 {"from", Text()},
                 {"to?", OrNull(Text())},
                 {"rate?", OrNull(Number())},
                 {"filter?", OrNull(Text())},
                 {"pattern?", OrNull(AnyObject())}});
}

Schema Rotation() {
  return Object({{"signing_secret?", OrNull(Text())}, {"overlap?", OrNull(Text())}});
}

Schema Backup() {
  const Schema range = Object({{"partition", Count()}, {"first", Count()}, {"end", Count()}});
  return Named("Backup", Object({{"id", Text()},
                                 {"dir", Text()},
                                 {"state", Word({"running", "done", "failed"})},
                                 {"error", OrNull(Text())},
                                 {"started_at", OrNull(Time())},
                                 {"finished_at", OrNull(Time())},
                                 {"files", Count()},
                                 {"bytes_total", Count()},
                                 {"bytes_done", Count()},
                                 {"bytes_copied", Count()},
                                 {"bytes_linked", Count()},
                                 {"bytes_kept", Count()},
                                 {"log", ListOf(range)},
                                 {"secret_key_left_out", Flag()}}));
}

Schema Error() {
  return Named(
      "Error",
      Object(
          {{"success", Always(false)}, {"code", Text()}, {"message", Text()}, {"field?", Text()}}));
}

Schema SimpleError() {
  return Named("SimpleError", Object({{"error", Text()}}));
}

}  // namespace tributary::control::shapes
