// Reading and judging one event; writing it is in canonicalizer_splice.cc.
#include "event/canonicalizer.h"

#include <algorithm>

#include "event/json_text.h"

namespace tributary::event {
namespace {

constexpr Rejection kNotAnObject{"event_not_object", "an event must be a JSON object"};
constexpr Rejection kTypeRequired{"type_required", "'type' is missing"};
constexpr Rejection kTypeUnknown{"type_unknown",
                                 "'type' must be track, identify, page, screen, group or alias"};
constexpr Rejection kNoIdentity{"no_user_anon_id", "'userId' or 'anonymousId' is required"};
constexpr Rejection kMessageIdNotString{"message_id_not_string", "'messageId' must be a string"};
constexpr Rejection kMessageIdTooLong{"message_id_too_long",
                                      "'messageId' is longer than 100 characters"};

constexpr Rejection IdNotString(Known field) {
  switch (field) {
    case Known::kUserId:
      return {"id_not_string", "'userId' must be a string"};
    case Known::kAnonymousId:
      return {"id_not_string", "'anonymousId' must be a string"};
    case Known::kPreviousId:
      return {"id_not_string", "'previousId' must be a string"};
    default:
      return {"id_not_string", "'groupId' must be a string"};
  }
}

// Of UTF-8: every byte that continues none begins one.
std::size_t Characters(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

bool IsBlank(JsonValue value) {
  return value.is(JsonType::kNull) || value.raw() == "\"\"";
}

}  // namespace

void Canonicalizer::Begin(const RequestFacts& facts) {
  facts_ = facts;
  received_text_.resize(kIso8601Bytes);
  FormatIso8601(facts.received_at_us, received_text_.data());
  envelope_sent_raw_ = {};
  envelope_sent_us_.reset();
  context_members_.clear();
  integrations_members_.clear();
  merge_bytes_ = 0;
}

std::expected<void, Rejection> Canonicalizer::UseEnvelope(JsonValue envelope) {
  CollectFields(envelope);
  if (const auto sent = Value(Known::kSentAt)) {
    envelope_sent_raw_ = sent->raw();
    envelope_sent_us_ = TimeOf(Known::kSentAt);
  }
  if (const auto context = Value(Known::kContext)) {
    if (auto taken = TakeMembers(*context, context_members_); !taken) return taken;
  }
  if (const auto integrations = Value(Known::kIntegrations)) {
    if (auto taken = TakeMembers(*integrations, integrations_members_); !taken) return taken;
  }
  return {};
}

std::expected<void, Rejection> Canonicalizer::TakeMembers(JsonValue object,
                                                          std::vector<Member>& members) {
  if (!object.is(JsonType::kObject)) return {};
  std::string text;
  for (const JsonField field : object.fields()) {
    members.push_back({std::string(field.Key(text)), field.raw()});
    merge_bytes_ += members.back().raw.size();
    if (members.size() > kEnvelopeMembersMax || merge_bytes_ > kEnvelopeMergeBytesMax) {
      return std::unexpected(Rejection{
          "envelope_too_large",
          "'context' and 'integrations' around the batch may have 64 members each and 8 KiB"});
    }
  }
  return {};
}

std::string_view Canonicalizer::MessageIdOf(JsonValue event) {
  message_id_ = {};
  if (!event.is(JsonType::kObject)) return {};
  CollectFields(event);
  const auto value = Value(Known::kMessageId);
  if (!value || !value->is(JsonType::kString)) return {};
  const std::string_view text = value->Text(scratch(Known::kMessageId));
  if (Characters(text) <= kMessageIdCharactersMax) message_id_ = text;
  return message_id_;
}

std::expected<Canonical, Rejection> Canonicalizer::Make(JsonValue event) {
  message_id_ = {};
  if (!event.is(JsonType::kObject)) return std::unexpected(kNotAnObject);
  CollectFields(event);
  if (const auto rejection = Judge()) return std::unexpected(*rejection);
  if (event.raw().size() > facts_.event_bytes_max) return std::unexpected(TooLarge(event));
  assigned_id_ = message_id_.empty();
  if (assigned_id_) {
    new_message_id_ = random_.Uuid();
    message_id_ = new_message_id_;
    Drop(Known::kMessageId);
  }
  ComposePrefix();
  Splice();
  return Canonical{.type = type_,
                   .event_time_us = event_time_us_,
                   .key = !anonymous_id_.empty() ? anonymous_id_
                          : !user_id_.empty()    ? user_id_
                                                 : message_id_,
                   .name = name_,
                   .message_id = message_id_,
                   .for_all = IsForAll(),
                   .parts = parts_};
}

Rejection Canonicalizer::TooLarge(JsonValue event) {
  too_large_ = "the event has " + std::to_string(event.raw().size()) +
               " bytes, more than the event_size of its source, " +
               std::to_string(facts_.event_bytes_max);
  return {"event_too_large", too_large_};
}

// Only a `false` excludes; where the text holds one nowhere, no destination needs to read it.
bool Canonicalizer::IsForAll() const {
  const auto says_no = [](std::string_view raw) { return raw.contains("false"); };
  if (std::ranges::any_of(integrations_members_, says_no, &Member::raw)) return false;
  const auto own = Value(Known::kIntegrations);
  return !own || !says_no(own->raw());
}

void Canonicalizer::CollectFields(JsonValue event) {
  fields_.clear();
  slots_.fill(kAbsent);
  dropped_.fill(false);
  std::string key_text;
  for (const JsonField field : event.fields()) {
    const Known known = KnownField(field.Key(key_text));
    if (known != Known::kUnknown) {
      slots_[static_cast<std::size_t>(known)] = static_cast<int>(fields_.size());
    }
    fields_.push_back({field, known});
  }
}

std::optional<JsonValue> Canonicalizer::Value(Known field) const {
  const int slot = slots_[static_cast<std::size_t>(field)];
  if (slot == kAbsent) return std::nullopt;
  const JsonValue value = fields_[static_cast<std::size_t>(slot)].field.value();
  if (value.is(JsonType::kNull)) return std::nullopt;
  return value;
}

std::expected<std::string_view, Rejection> Canonicalizer::TextOf(Known field,
                                                                 Rejection not_a_text) {
  const auto value = Value(field);
  if (!value) return std::string_view();
  if (!value->is(JsonType::kString)) return std::unexpected(not_a_text);
  return value->Text(scratch(field));
}

// An id: text, or the digits of a number (old SDKs); empty when absent, null or "".
std::expected<std::string_view, Rejection> Canonicalizer::IdOf(Known field) {
  const auto value = Value(field);
  if (!value || IsBlank(*value)) {
    Drop(field);
    return std::string_view();
  }
  if (value->is(JsonType::kString)) return value->Text(scratch(field));
  if (!value->is(JsonType::kNumber)) return std::unexpected(IdNotString(field));
  Drop(field);  // written anew, between quotes
  return value->raw();
}

std::optional<UnixMicros> Canonicalizer::TimeOf(Known field) {
  const auto value = Value(field);
  if (!value || !value->is(JsonType::kString)) return std::nullopt;
  return ParseIso8601(value->Text(scratch(field)));
}

std::optional<Rejection> Canonicalizer::Judge() {
  // The message id first, so that every later rejection can be reported with it.
  if (const auto value = Value(Known::kMessageId)) {
    if (!value->is(JsonType::kString)) return kMessageIdNotString;
    const std::string_view text = value->Text(scratch(Known::kMessageId));
    if (Characters(text) > kMessageIdCharactersMax) return kMessageIdTooLong;
    message_id_ = text;
  }
  if (auto rejection = ReadType()) return rejection;
  if (auto rejection = ReadIds()) return rejection;
  if (auto rejection = CheckIdentity()) return rejection;
  if (auto rejection = CheckNames()) return rejection;
  return CheckObjects();
}

std::optional<Rejection> Canonicalizer::ReadType() {
  const auto text = TextOf(Known::kType, kTypeUnknown);
  if (!text) return text.error();
  if (text->empty()) {
    type_ = facts_.path_type;
    Drop(Known::kType);
    return type_ == Type::kOther ? std::optional(kTypeRequired) : std::nullopt;
  }
  type_ = TypeFromName(*text);
  return type_ == Type::kOther ? std::optional(kTypeUnknown) : std::nullopt;
}

std::optional<Rejection> Canonicalizer::ReadIds() {
  const std::pair<Known, std::string_view*> ids[] = {{Known::kUserId, &user_id_},
                                                     {Known::kAnonymousId, &anonymous_id_},
                                                     {Known::kPreviousId, &previous_id_},
                                                     {Known::kGroupId, &group_id_}};
  for (const auto& [field, target] : ids) {
    const auto text = IdOf(field);
    if (!text) return text.error();
    *target = *text;
  }
  return std::nullopt;
}

std::optional<Rejection> Canonicalizer::CheckIdentity() const {
  if (user_id_.empty() && anonymous_id_.empty()) return kNoIdentity;
  if (type_ == Type::kAlias && user_id_.empty()) {
    return Rejection{"id_required", "an alias needs 'userId'"};
  }
  if (type_ == Type::kAlias && previous_id_.empty()) {
    return Rejection{"id_required", "an alias needs 'previousId'"};
  }
  if (type_ == Type::kGroup && group_id_.empty()) {
    return Rejection{"id_required", "a group call needs 'groupId'"};
  }
  return std::nullopt;
}

std::optional<Rejection> Canonicalizer::CheckNames() {
  name_ = {};
  if (type_ == Type::kTrack) {
    const auto text = TextOf(Known::kEvent, {"event_not_string", "'event' must be a string"});
    if (!text) return text.error();
    if (text->empty()) return Rejection{"event_not_defined", "a track call needs 'event'"};
    name_ = *text;
  }
  if (type_ == Type::kPage || type_ == Type::kScreen) {
    constexpr Rejection kName{"name_not_string", "'name' must be a string that is not empty"};
    const auto text = TextOf(Known::kName, kName);
    if (!text) return text.error();
    if (text->empty() && Value(Known::kName)) return kName;
    name_ = *text;
    const auto category =
        TextOf(Known::kCategory, {"category_not_string", "'category' must be a string"});
    if (!category) return category.error();
  }
  return std::nullopt;
}

std::optional<Rejection> Canonicalizer::CheckObjects() const {
  const bool has_traits = type_ == Type::kIdentify || type_ == Type::kGroup;
  if (has_traits) {
    const auto traits = Value(Known::kTraits);
    if (!traits || traits->is(JsonType::kObject)) return std::nullopt;
    return Rejection{"traits_not_object", "'traits' must be an object"};
  }
  if (type_ == Type::kAlias) return std::nullopt;
  const auto properties = Value(Known::kProperties);
  if (!properties || properties->is(JsonType::kObject)) return std::nullopt;
  return Rejection{"properties_not_object", "'properties' must be an object"};
}

}  // namespace tributary::event
