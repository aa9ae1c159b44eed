#include "event/json_document.h"

#include <simdjson.h>

#include "event/json_grammar.h"

namespace tributary::event {
namespace {

std::string_view Sentence(simdjson::error_code error) {
  switch (error) {
    case simdjson::UTF8_ERROR:
      return "is not valid UTF-8";
    case simdjson::UNESCAPED_CHARS:
      return "has a control character in a string";
    case simdjson::UNCLOSED_STRING:
      return "has a string that does not end";
    case simdjson::EMPTY:
      return "is empty";
    default:
      return "is malformed";
  }
}

}  // namespace

// Held as the interface that simdjson's own parsers use; stage 1 reads exactly `size` bytes (the
// last block is copied aside), so no padding behind the text is needed.
struct JsonDocument::Index {
  std::unique_ptr<simdjson::internal::dom_parser_implementation> stages;
};

JsonDocument::JsonDocument() : index_(std::make_unique<Index>()) {}
JsonDocument::~JsonDocument() = default;

Status JsonDocument::FindTokens(std::string_view text) {
  const bool too_much_kept = capacity_ > kKeepBytesMax && text.size() <= kKeepBytesMax;
  if (text.size() > capacity_ || too_much_kept) {
    constexpr std::size_t kFirstCapacity = 4096;
    capacity_ = std::max(
        {text.size(), kFirstCapacity, too_much_kept ? 0 : std::min(2 * capacity_, kKeepBytesMax)});
    index_->stages.reset();
    closes_.reset();
    const auto failed = simdjson::get_active_implementation()->create_dom_parser_implementation(
        capacity_, kJsonDepthMax, index_->stages);
    if (failed) {
      capacity_ = 0;
      return Fail(ErrorCode::kTooLarge, "the JSON text is too large");
    }
    closes_ = std::make_unique_for_overwrite<std::uint32_t[]>(capacity_ + 1);
  }
  const auto failed = index_->stages->stage1(reinterpret_cast<const std::uint8_t*>(text.data()),
                                             text.size(), simdjson::stage1_mode::regular);
  if (failed) {
    return Fail(ErrorCode::kInvalid, "the JSON text " + std::string(Sentence(failed)));
  }
  starts_ = index_->stages->structural_indexes.get();
  tokens_ = index_->stages->n_structural_indexes;
  return {};
}

Result<JsonValue> JsonDocument::Parse(std::string_view text) {
  if (text.empty()) return Fail(ErrorCode::kInvalid, "the JSON text is empty");
  TRY(FindTokens(text));
  text_ = text;
  std::vector<std::size_t> lone_surrogates;
  const GrammarInput input{text, starts_, tokens_, closes_.get()};
  if (const auto fault = CheckGrammar(input, lone_surrogates, first_backslash_)) {
    return Fail(ErrorCode::kInvalid, "malformed JSON at byte " + std::to_string(fault->at) + ": " +
                                         std::string(fault->what));
  }
  if (!lone_surrogates.empty()) ReplaceSurrogates(lone_surrogates);
  return JsonValue(this, 0);
}

void JsonDocument::ReplaceSurrogates(const std::vector<std::size_t>& digits_at) {
  mended_.assign(text_);
  for (const std::size_t at : digits_at) mended_.replace(at, 4, "fffd");
  text_ = mended_;
}

}  // namespace tributary::event
