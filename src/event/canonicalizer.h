// Makes the canonical event, once, at admission, by splicing raw slices of what was sent; nothing
// is re-serialised. Facts: collection-api.md section 9.
//
// What changes: `writeKey` is left out; `messageId` (a UUID) and `type` (from the path) are added
// when absent; ids that are numbers become strings with the same digits; ids, `type` and
// `messageId` that are null or "" count as absent and are left out; `timestamp` is the corrected
// time, `originalTimestamp` what the client called `timestamp`, `sentAt` the event's or its
// batch's, `receivedAt` ours. Members of the batch's `context` and `integrations` that the event
// does not have itself are added, member by member and not deeper, as Segment does. `context.ip` is
// added for browsers when absent. Of a known field that is repeated the last counts and the others
// are left out. Every other byte stays: unknown fields, white space, long numbers, repeated unknown
// fields.
//
// One per loop and source; that loop's thread only. Nothing is allocated per event once its buffers
// have grown to the sizes seen.
#pragma once

#include <array>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.h"
#include "event/event.h"
#include "event/json_document.h"
#include "event/known_fields.h"
#include "os/random.h"

namespace tributary::event {

// What is merged into each event of a batch multiplies its size, so it is small.
inline constexpr std::size_t kEnvelopeMembersMax = 64;
inline constexpr std::size_t kEnvelopeMergeBytesMax = 8 * 1024;

// What holds for every event of one request.
struct RequestFacts {
  Type path_type = Type::kOther;  // kOther: the path names none
  UnixMicros received_at_us = 0;
  std::size_t event_bytes_max = kEventBytesMax;
  std::string_view browser_ip;  // added as context.ip; empty: only when context.direct is true
  std::string_view peer_ip;     // for context.direct
};

class Canonicalizer {
 public:
  explicit Canonicalizer(os::Random& random) : random_(random) {}

  // Begins a request; forgets the envelope of the last one.
  void Begin(const RequestFacts& facts);
  // The object around `batch`: its sentAt, context and integrations. Rejected past the two limits
  // above. The values must live until the last Make of this request.
  std::expected<void, Rejection> UseEnvelope(JsonValue envelope);

  std::expected<Canonical, Rejection> Make(JsonValue event);
  // Of an event that nobody wants to make, for reports: its messageId if it has a usable one, else
  // empty. As message_id() then.
  std::string_view MessageIdOf(JsonValue event);
  // Of the event last given to Make, for reports: its messageId if it has a usable one, else empty.
  std::string_view message_id() const { return message_id_; }

 private:
  struct Field {
    JsonField field;
    Known known;
  };
  struct Member {  // of the envelope's context or integrations
    std::string key;
    std::string_view raw;  // "key":value
  };
  static constexpr int kAbsent = -1;

  // Reading
  void CollectFields(JsonValue event);
  std::optional<JsonValue> Value(Known field) const;  // null counts as absent
  std::expected<std::string_view, Rejection> TextOf(Known field, Rejection not_a_text);
  std::expected<std::string_view, Rejection> IdOf(Known field);
  std::optional<UnixMicros> TimeOf(Known field);
  std::string& scratch(Known field) { return scratch_[static_cast<std::size_t>(field)]; }

  // Judging
  std::optional<Rejection> ReadIds();
  std::optional<Rejection> ReadType();
  std::optional<Rejection> CheckIdentity() const;
  std::optional<Rejection> CheckNames();
  std::optional<Rejection> CheckObjects() const;
  std::optional<Rejection> Judge();

  Rejection TooLarge(JsonValue event);  // its sentence lives until the next event
  bool IsForAll() const;

  // Writing
  void ComposePrefix();
  void ComposeTimes();
  void AddField(std::string_view name, std::string_view raw);
  void AddStringField(std::string_view name, std::string_view text);
  void ComposeMerged(Known field, const std::vector<Member>& members, std::string& addition);
  bool SaysDirect(const std::optional<JsonValue>& context) const;
  std::string_view IpToAdd(const std::optional<JsonValue>& context);
  void Drop(Known field) { dropped_[static_cast<std::size_t>(field)] = true; }
  void Splice();
  void SpliceMerged(const Field& field, std::string_view addition, const char*& run);

  std::expected<void, Rejection> TakeMembers(JsonValue object, std::vector<Member>& members);

  os::Random& random_;
  RequestFacts facts_;
  std::string too_large_;      // the sentence, with the numbers of this event
  std::string received_text_;  // `receivedAt`, once per request
  std::string_view envelope_sent_raw_;
  std::optional<UnixMicros> envelope_sent_us_;
  std::vector<Member> context_members_;
  std::vector<Member> integrations_members_;
  std::size_t merge_bytes_ = 0;

  std::vector<Field> fields_;                 // of the event, in order
  std::array<int, kKnownFields> slots_ = {};  // known field -> its last place in fields_
  std::array<bool, kKnownFields> dropped_ = {};
  std::array<std::string, kKnownFields> scratch_;
  Type type_ = Type::kOther;
  UnixMicros event_time_us_ = 0;
  std::string_view user_id_, anonymous_id_, previous_id_, group_id_, name_, message_id_;
  std::string new_message_id_;
  bool assigned_id_ = false;
  std::string prefix_;            // "{" and the fields that we write
  std::string context_addition_;  // ",member…" to go before context's closing brace
  std::string integrations_addition_;
  std::vector<std::string_view> parts_;
};

}  // namespace tributary::event
