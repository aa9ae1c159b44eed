#include "route/jq_engine.h"

extern "C" {
#include <jq.h>
}

#include <array>
#include <utility>

namespace tributary::route {
namespace {

// Functions that see more than the input, with how many parameters each has. Each is hidden by a
// definition in front of the program that calls an unknown name; jq drops definitions that nobody
// uses, so only a program that really calls one does not compile. A program's own function of the
// same name is fine, and so are fields and keys.
struct Refused {
  std::string_view name;
  int parameters;
};
constexpr std::array kRefused = {
    Refused{"now", 0},
    Refused{"localtime", 0},
    Refused{"strflocaltime", 1},
    Refused{"input", 0},
    Refused{"inputs", 0},
    Refused{"debug", 0},
    Refused{"debug", 1},
    Refused{"stderr", 0},
    Refused{"halt", 0},
    Refused{"halt_error", 0},
    Refused{"halt_error", 1},
    Refused{"modulemeta", 0},
    Refused{"input_line_number", 0},
    Refused{"input_filename", 0},
    Refused{"get_search_list", 0},
};
constexpr std::string_view kRefusedMark = "__refused_";

// On one line of its own, so that the program's lines are jq's less one.
std::string Prelude() {
  std::string out;
  for (const Refused& refused : kRefused) {
    out += "def " + std::string(refused.name);
    if (refused.parameters == 1) out += "(f)";
    out += ": " + std::string(kRefusedMark) + std::string(refused.name) + "; ";
  }
  return out + "\n";
}

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && (text.back() == ' ' || text.back() == '\n')) text.remove_suffix(1);
  return text;
}

void Replace(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at)) {
    text.replace(at, from.size(), to);
    at += to.size();
  }
}

// "… at <top-level>, line 3:" counts the prelude's line.
void MendLine(std::string& message) {
  constexpr std::string_view kBefore = "<top-level>, line ";
  const std::size_t at = message.find(kBefore);
  if (at == std::string::npos) return;
  const std::size_t digits = at + kBefore.size();
  const std::size_t end = message.find_first_not_of("0123456789", digits);
  const int line = std::stoi(message.substr(digits, end - digits));
  message.replace(digits, end - digits, std::to_string(line > 1 ? line - 1 : 1));
}

std::string Readable(std::string_view said) {
  std::string message(Trimmed(said));
  Replace(message, " (Unix shell quoting issues?)", "");
  if (const std::size_t at = message.find(kRefusedMark); at != std::string::npos) {
    const std::size_t from = at + kRefusedMark.size();
    const std::string name = message.substr(from, message.find('/', from) - from);
    return name +
           " is not available: a program sees its event and nothing else, so that it "
           "always gives the same answer";
  }
  MendLine(message);
  Replace(message, "\n", " ");
  return message;
}

std::string TextOf(jv value) {  // consumes it
  const jv text = jv_get_kind(value) == JV_KIND_STRING ? value : jv_dump_string(value, 0);
  std::string out(jv_string_value(text),
                  static_cast<std::size_t>(jv_string_length_bytes(jv_copy(text))));
  jv_free(text);
  return out;
}

// jq reports each error of a compilation on its own, and their count at the end.
void OnCompileError(void* target, jv message) {
  auto& out = *static_cast<std::string*>(target);
  const std::string said = TextOf(jq_format_error(message));
  if (said.starts_with("jq: ") && said.find(" compile error") != std::string::npos) return;
  if (!out.empty()) out += "; ";
  out += Readable(said);
}

bool Truthy(jv value) {
  const jv_kind kind = jv_get_kind(value);
  return kind != JV_KIND_NULL && kind != JV_KIND_FALSE;
}

JqAnswer Invalid(std::string text) {
  return {.verdict = JqVerdict::kInvalid, .text = std::move(text)};
}

}  // namespace

std::string RefusedJqNames() {
  std::string out;
  std::string_view last;
  for (const Refused& refused : kRefused) {
    if (refused.name == std::exchange(last, refused.name)) continue;
    if (!out.empty()) out += ", ";
    out += refused.name;
  }
  return out;
}

JqEngine::JqEngine(std::size_t kept_max, void (*on_no_memory)(void*))
    : kept_max_(kept_max), on_no_memory_(on_no_memory) {
  jv_nomem_handler(on_no_memory_, nullptr);
}

JqEngine::~JqEngine() {
  for (Kept& kept : kept_) jq_teardown(&kept.state);
}

jq_state* JqEngine::Find(std::string_view program, std::string& error) {
  if (const auto found = by_text_.find(program); found != by_text_.end()) {
    kept_.splice(kept_.begin(), kept_, found->second);
    return kept_.front().state;
  }
  jq_state* state = jq_init();
  if (state == nullptr) {
    error = "jq cannot start";
    return nullptr;
  }
  // jq 1.6 forgets to give this field a value, and compiling makes it the handler of the thread.
  jq_set_nomem_handler(state, on_no_memory_, nullptr);
  jq_set_error_cb(state, OnCompileError, &error);
  static const std::string prelude = Prelude();
  if (jq_compile(state, (prelude + std::string(program)).c_str()) == 0) {
    if (error.empty()) error = "the program does not compile";
    jq_teardown(&state);
    return nullptr;
  }
  jq_set_error_cb(state, nullptr, nullptr);
  if (kept_.size() >= kept_max_) {
    by_text_.erase(kept_.back().text);
    jq_teardown(&kept_.back().state);
    kept_.pop_back();
  }
  kept_.push_front({.text = std::string(program), .state = state});
  by_text_[kept_.front().text] = kept_.begin();
  return state;
}

JqAnswer JqEngine::Compile(std::string_view program) {
  // jq reads texts up to the first NUL: what comes behind would be taken silently.
  if (program.find('\0') != std::string_view::npos) return Invalid("a program has no NUL bytes");
  std::string error;
  if (Find(program, error) == nullptr) return Invalid(std::move(error));
  return {};
}

JqAnswer JqEngine::Run(JqTask task, std::string_view program, std::string_view input) {
  std::string error;
  jq_state* state = Find(program, error);
  if (state == nullptr) return Invalid(std::move(error));
  jv event = jv_parse_sized(input.data(), static_cast<int>(input.size()));
  if (!jv_is_valid(event)) return Invalid("the event: " + TextOf(jv_invalid_get_msg(event)));
  halted_ = 0;
  running_ = state;
  jq_start(state, event, 0);
  JqAnswer answer = task == JqTask::kFilter ? RunFilter(state) : RunMapping(state);
  running_ = nullptr;
  if (halted_ != 0) answer = {.verdict = JqVerdict::kTooSlow, .text = {}};
  jq_start(state, jv_null(), 0);  // gives back what this run left on jq's stack
  return answer;
}

JqAnswer JqEngine::RunFilter(jq_state* state) {
  const jv first = jq_next(state);
  if (jv_is_valid(first)) {
    const bool wanted = Truthy(first);
    jv_free(first);
    return {.verdict = JqVerdict::kFine, .text = wanted ? "true" : "false"};
  }
  if (jv_invalid_has_msg(jv_copy(first)) != 0) return Invalid(TextOf(jv_invalid_get_msg(first)));
  jv_free(first);
  return {.verdict = JqVerdict::kFine, .text = "false"};
}

JqAnswer JqEngine::RunMapping(jq_state* state) {
  const jv first = jq_next(state);
  if (!jv_is_valid(first)) {
    if (jv_invalid_has_msg(jv_copy(first)) != 0) return Invalid(TextOf(jv_invalid_get_msg(first)));
    jv_free(first);
    return Invalid("the mapping has no output; it must have exactly one");
  }
  const jv second = jq_next(state);
  const bool more = jv_is_valid(second) != 0;
  const bool failed = !more && jv_invalid_has_msg(jv_copy(second)) != 0;
  if (failed) {
    jv_free(first);
    return Invalid(TextOf(jv_invalid_get_msg(second)));
  }
  jv_free(second);
  if (more) {
    jv_free(first);
    return Invalid("the mapping has several outputs; it must have exactly one");
  }
  const jv dumped = jv_dump_string(first, 0);
  std::string text = TextOf(dumped);
  if (text.size() > kJqOutputBytesMax) {
    return Invalid("the mapping's output has more than " + std::to_string(kJqOutputBytesMax) +
                   " bytes");
  }
  return {.verdict = JqVerdict::kFine, .text = std::move(text)};
}

void JqEngine::Halt() {
  halted_ = 1;
  if (running_ != nullptr && jq_halted(running_) == 0) {
    jq_halt(running_, jv_invalid(), jv_invalid());
  }
}

}  // namespace tributary::route
