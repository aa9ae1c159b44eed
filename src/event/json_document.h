// One JSON text, judged whole and then read without copying: every value is a slice of the text.
//
// simdjson's first stage finds where every token begins (with SIMD, checking UTF-8, unclosed
// strings and control characters on the way); one pass of ours over those positions checks the
// grammar of RFC 8259 and notes for each bracket where it closes. After that reading cannot fail
// and skipping a value costs the same whatever its size. simdjson's On Demand reader was not used:
// it does not look at what is skipped, so that garbage inside `properties` would be acknowledged,
// and it cannot hand out numbers such as 1e400 untouched.
//
// Half a surrogate pair ("\ud83d", what a browser sends when an emoji is cut in two) is well-formed
// by RFC 8259 but no text, and many readers refuse it. It is replaced by \ufffd, which has the same
// length; nothing else is ever changed.
//
// A document is a scratch pad: Parse() again and again, values of the last text die. Not
// thread-safe. Memory: 8 bytes per byte of the largest text of up to kKeepBytesMax; more than that
// is given back at the next Parse.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/limits.h"
#include "base/result.h"
#include "event/json_text.h"

namespace tributary::event {

enum class JsonType : std::uint8_t { kObject, kArray, kString, kNumber, kBool, kNull };

class JsonDocument;

// A value of a document. Small, copied freely; lives until the document's next Parse().
class JsonValue {
 public:
  JsonType type() const;
  bool is(JsonType t) const { return type() == t; }
  // The text of the value as it was sent, strings with their quotes.
  std::string_view raw() const;
  // Of a string: the text it means; a view of the document, or of `scratch` when it has escapes.
  std::string_view Text(std::string& scratch) const;

  class Fields;
  class Elements;
  Fields fields() const;      // of an object, in order
  Elements elements() const;  // of an array, in order

 private:
  friend class JsonDocument;
  friend class JsonField;
  JsonValue(const JsonDocument* document, std::uint32_t token)
      : document_(document), token_(token) {}
  std::uint32_t next() const;  // the token after this value
  const JsonDocument* document_;
  std::uint32_t token_;
};

class JsonField {
 public:
  // The key's text; see JsonValue::Text.
  std::string_view Key(std::string& scratch) const { return key_.Text(scratch); }
  JsonValue value() const { return {key_.document_, key_.token_ + 2}; }
  std::string_view raw() const;  // from the key's quote to the end of the value

 private:
  friend class JsonValue;
  explicit JsonField(JsonValue key) : key_(key) {}
  JsonValue key_;
};

class JsonDocument {
 public:
  static constexpr std::size_t kKeepBytesMax = 512 * 1024;

  JsonDocument();
  ~JsonDocument();
  JsonDocument(const JsonDocument&) = delete;
  JsonDocument& operator=(const JsonDocument&) = delete;

  // kInvalid: not one well-formed JSON text, or nested deeper than kJsonDepthMax; the sentence says
  // what and where. `text` is not copied and must outlive the values.
  Result<JsonValue> Parse(std::string_view text);
  // What the values are slices of: the text given, or our own copy when a surrogate was replaced.
  std::string_view text() const { return text_; }

 private:
  friend class JsonValue;
  friend class JsonField;
  struct Index;  // simdjson's part

  Status FindTokens(std::string_view text);
  void ReplaceSurrogates(const std::vector<std::size_t>& digits_at);

  std::string_view text_;
  std::string mended_;
  std::unique_ptr<Index> index_;
  const std::uint32_t* starts_ = nullptr;  // of each token, and one more: the text's length
  std::uint32_t tokens_ = 0;
  std::unique_ptr<std::uint32_t[]> closes_;  // of each opening bracket: the token that closes it
  std::size_t first_backslash_ = 0;          // text_.size() when there is none
  std::size_t capacity_ = 0;                 // in bytes of text
};

// Iteration: for (const JsonField field : object.fields()) …
class JsonValue::Fields {
 public:
  class Iterator {
   public:
    JsonField operator*() const { return JsonField({document_, token_}); }
    Iterator& operator++();
    bool operator!=(const Iterator& other) const { return token_ != other.token_; }

   private:
    friend class Fields;
    Iterator(const JsonDocument* document, std::uint32_t token)
        : document_(document), token_(token) {}
    const JsonDocument* document_;
    std::uint32_t token_;
  };
  Iterator begin() const;
  Iterator end() const;

 private:
  friend class JsonValue;
  explicit Fields(JsonValue object) : object_(object) {}
  JsonValue object_;
};

class JsonValue::Elements {
 public:
  class Iterator {
   public:
    JsonValue operator*() const { return {document_, token_}; }
    Iterator& operator++();
    bool operator!=(const Iterator& other) const { return token_ != other.token_; }

   private:
    friend class Elements;
    Iterator(const JsonDocument* document, std::uint32_t token)
        : document_(document), token_(token) {}
    const JsonDocument* document_;
    std::uint32_t token_;
  };
  Iterator begin() const;
  Iterator end() const;

 private:
  friend class JsonValue;
  explicit Elements(JsonValue array) : array_(array) {}
  JsonValue array_;
};

// ---- Inline, because they run for every field of every event ----

inline JsonType JsonValue::type() const {
  switch (document_->text_[document_->starts_[token_]]) {
    case '{':
      return JsonType::kObject;
    case '[':
      return JsonType::kArray;
    case '"':
      return JsonType::kString;
    case 't':
    case 'f':
      return JsonType::kBool;
    case 'n':
      return JsonType::kNull;
    default:
      return JsonType::kNumber;
  }
}

inline std::string_view JsonValue::raw() const {
  const char* const text = document_->text_.data();
  const std::size_t start = document_->starts_[token_];
  if (text[start] == '{' || text[start] == '[') {
    return {text + start, document_->starts_[document_->closes_[token_]] + 1 - start};
  }
  std::size_t end = document_->starts_[token_ + 1];
  while (end > start && (text[end - 1] == ' ' || text[end - 1] == '\n' || text[end - 1] == '\r' ||
                         text[end - 1] == '\t')) {
    --end;
  }
  return {text + start, end - start};
}

inline std::string_view JsonValue::Text(std::string& scratch) const {
  const std::string_view quoted = raw();
  CHECK(quoted.size() >= 2 && quoted.front() == '"');
  const std::string_view inside = quoted.substr(1, quoted.size() - 2);
  if (document_->starts_[token_ + 1] <= document_->first_backslash_) return inside;
  return Unescaped(inside, scratch);
}

inline std::uint32_t JsonValue::next() const {
  const char c = document_->text_[document_->starts_[token_]];
  return (c == '{' || c == '[' ? document_->closes_[token_] : token_) + 1;
}

inline std::string_view JsonField::raw() const {
  const std::string_view last = value().raw();
  const char* start = key_.document_->text_.data() + key_.document_->starts_[key_.token_];
  return {start, static_cast<std::size_t>(last.data() + last.size() - start)};
}

inline JsonValue::Fields JsonValue::fields() const {
  CHECK(is(JsonType::kObject));
  return Fields(*this);
}
inline JsonValue::Elements JsonValue::elements() const {
  CHECK(is(JsonType::kArray));
  return Elements(*this);
}

// The end of an iteration is the closing token; after a value comes a comma or that token.
inline JsonValue::Fields::Iterator JsonValue::Fields::begin() const {
  return {object_.document_, object_.token_ + 1};
}
inline JsonValue::Fields::Iterator JsonValue::Fields::end() const {
  return {object_.document_, object_.document_->closes_[object_.token_]};
}
inline JsonValue::Fields::Iterator& JsonValue::Fields::Iterator::operator++() {
  token_ = JsonValue(document_, token_ + 2).next();
  if (document_->text_[document_->starts_[token_]] == ',') ++token_;
  return *this;
}

inline JsonValue::Elements::Iterator JsonValue::Elements::begin() const {
  return {array_.document_, array_.token_ + 1};
}
inline JsonValue::Elements::Iterator JsonValue::Elements::end() const {
  return {array_.document_, array_.document_->closes_[array_.token_]};
}
inline JsonValue::Elements::Iterator& JsonValue::Elements::Iterator::operator++() {
  token_ = JsonValue(document_, token_).next();
  if (document_->text_[document_->starts_[token_]] == ',') ++token_;
  return *this;
}

}  // namespace tributary::event
