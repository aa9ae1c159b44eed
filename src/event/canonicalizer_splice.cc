// Writing the canonical event: a prefix of ours, then runs of the client's own bytes.
#include <algorithm>

#include "event/canonicalizer.h"
#include "event/json_text.h"
#include "event/times.h"

namespace tributary::event {
namespace {

bool HasMember(JsonValue object, std::string_view key) {
  std::string text;
  for (const JsonField field : object.fields()) {
    if (field.Key(text) == key) return true;
  }
  return false;
}

bool IsTrueMember(JsonValue object, std::string_view key) {
  std::string text;
  bool is_true = false;
  for (const JsonField field : object.fields()) {
    if (field.Key(text) == key) is_true = field.value().raw() == "true";
  }
  return is_true;
}

bool IsEmptyObject(JsonValue object) {
  return !(object.fields().begin() != object.fields().end());
}

}  // namespace

void Canonicalizer::AddField(std::string_view name, std::string_view raw) {
  prefix_ += ",\"";
  prefix_ += name;
  prefix_ += "\":";
  prefix_ += raw;
}

void Canonicalizer::AddStringField(std::string_view name, std::string_view text) {
  prefix_ += ",\"";
  prefix_ += name;
  prefix_ += "\":\"";
  prefix_ += text;
  prefix_ += '"';
}

void Canonicalizer::ComposePrefix() {
  prefix_ = "{\"receivedAt\":\"";
  prefix_ += received_text_;
  prefix_ += '"';
  Drop(Known::kReceivedAt);
  Drop(Known::kWriteKey);
  if (dropped_[static_cast<std::size_t>(Known::kType)]) AddStringField("type", TypeName(type_));
  if (assigned_id_) AddStringField("messageId", message_id_);
  ComposeTimes();
  const std::pair<Known, std::string_view> ids[] = {{Known::kUserId, user_id_},
                                                    {Known::kAnonymousId, anonymous_id_},
                                                    {Known::kPreviousId, previous_id_},
                                                    {Known::kGroupId, group_id_}};
  for (const auto& [field, text] : ids) {  // a dropped id that is not empty was a number
    if (dropped_[static_cast<std::size_t>(field)] && !text.empty()) {
      AddStringField(FieldName(field), text);
    }
  }
  ComposeMerged(Known::kContext, context_members_, context_addition_);
  ComposeMerged(Known::kIntegrations, integrations_members_, integrations_addition_);
}

void Canonicalizer::ComposeTimes() {
  const auto timestamp = Value(Known::kTimestamp);
  const bool has_original = Value(Known::kOriginalTimestamp).has_value();
  SentTimes times{.timestamp_us = TimeOf(Known::kTimestamp),
                  .original_us = TimeOf(Known::kOriginalTimestamp),
                  .sent_us = TimeOf(Known::kSentAt),
                  .received_us = facts_.received_at_us};
  if (!Value(Known::kSentAt)) {
    Drop(Known::kSentAt);
    times.sent_us = envelope_sent_us_;
    if (!envelope_sent_raw_.empty()) AddField("sentAt", envelope_sent_raw_);
  }
  event_time_us_ = CorrectedTime(times);
  char text[kIso8601Bytes];
  FormatIso8601(event_time_us_, text);
  AddStringField("timestamp", {text, sizeof text});
  Drop(Known::kTimestamp);
  if (has_original) return;
  Drop(Known::kOriginalTimestamp);
  // Also when it is no time that we can read: it is the client's word.
  if (timestamp) AddField("originalTimestamp", timestamp->raw());
}

// The event's own word on it, else the envelope's, whose last one counts.
bool Canonicalizer::SaysDirect(const std::optional<JsonValue>& context) const {
  if (context && HasMember(*context, "direct")) return IsTrueMember(*context, "direct");
  bool direct = false;
  for (const Member& member : context_members_) {
    if (member.key == "direct") direct = member.raw.ends_with("true");
  }
  return direct;
}

// The address to add to an event that has none: always for browsers' sources, else only when the
// event says that it came from the client directly.
std::string_view Canonicalizer::IpToAdd(const std::optional<JsonValue>& context) {
  if (context && !context->is(JsonType::kObject)) return {};
  if (context && HasMember(*context, "ip")) return {};
  if (!facts_.browser_ip.empty()) return facts_.browser_ip;
  if (facts_.peer_ip.empty() || !SaysDirect(context)) return {};
  return facts_.peer_ip;
}

void Canonicalizer::ComposeMerged(Known field, const std::vector<Member>& members,
                                  std::string& addition) {
  addition.clear();
  const auto own = Value(field);
  const std::string_view ip = field == Known::kContext ? IpToAdd(own) : std::string_view();
  if (members.empty() && ip.empty()) return;
  if (own && !own->is(JsonType::kObject)) return;  // the event's own word, whatever it is
  bool ip_from_envelope = false;
  for (const Member& member : members) {
    if (own && HasMember(*own, member.key)) continue;
    if (member.key == "ip") ip_from_envelope = true;
    addition += ',';
    addition += member.raw;
  }
  if (!ip.empty() && !ip_from_envelope) {
    addition += ",\"ip\":";
    AppendJsonString(addition, ip);
  }
  if (addition.empty() || (own && !IsEmptyObject(*own))) return;
  addition.erase(0, 1);  // the first member of its object
  if (own) return;
  Drop(field);
  addition = '{' + addition + '}';
  AddField(FieldName(field), addition);
  addition.clear();
}

void Canonicalizer::Splice() {
  parts_.clear();
  parts_.push_back(prefix_);
  const char* run = nullptr;  // where the run of kept fields began
  const char* run_end = nullptr;
  const auto flush = [&] {
    if (run != nullptr) parts_.emplace_back(run, static_cast<std::size_t>(run_end - run));
    run = nullptr;
  };
  for (std::size_t i = 0; i < fields_.size(); ++i) {
    const auto known = static_cast<std::size_t>(fields_[i].known);
    const bool is_known = fields_[i].known != Known::kUnknown;
    if (is_known && (dropped_[known] || slots_[known] != static_cast<int>(i))) {
      flush();
      continue;
    }
    const std::string_view raw = fields_[i].field.raw();
    if (run == nullptr) {
      parts_.emplace_back(",");
      run = raw.data();
    }
    run_end = raw.data() + raw.size();
    if (fields_[i].known == Known::kContext) SpliceMerged(fields_[i], context_addition_, run);
    if (fields_[i].known == Known::kIntegrations) {
      SpliceMerged(fields_[i], integrations_addition_, run);
    }
  }
  flush();
  parts_.emplace_back("}");
}

// Ends the run before the object's closing brace, puts the addition, and begins a run at the brace.
void Canonicalizer::SpliceMerged(const Field& field, std::string_view addition, const char*& run) {
  if (addition.empty()) return;
  const std::string_view raw = field.field.raw();
  const char* brace = raw.data() + raw.size() - 1;
  parts_.emplace_back(run, static_cast<std::size_t>(brace - run));
  parts_.push_back(addition);
  run = brace;
}

}  // namespace tributary::event
