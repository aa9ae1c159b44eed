#include "deliver/dry_run.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/ascii.h"
#include "base/check.h"
#include "config/json_text.h"
#include "deliver/json_fields.h"
#include "deliver/sent_secrets.h"
#include "deliver/stored.h"

namespace tributary::deliver {
namespace {

using nlohmann::json;

// One dry run under way; owned by the answers it waits for.
class Runner : public std::enable_shared_from_this<Runner> {
 public:
  using Done = std::move_only_function<void(Result<DryRunResult>)>;
  Runner(DryRunInput input, AskProgram ask, Done done)
      : input_(std::move(input)), ask_(std::move(ask)), done_(std::move(done)) {
    const auto record = DecodeKept({}, input_.record);
    CHECK(record.has_value());
    record_ = *record;
  }

  void Start() {
    if (input_.matcher == nullptr) return FilteredBy("enabled");
    const std::string_view why_not = input_.matcher->WhyNot(record_);
    if (!why_not.empty()) return FilteredBy(why_not);
    const auto filter = input_.matcher->program();
    if (filter == nullptr) return Map();
    ask_(filter, std::string(record_.payload),
         [self = shared_from_this()](Result<std::string> answer) {
           if (!answer) return self->Failed("filter", answer.error());
           if (*answer != "true") return self->FilteredBy("filter");
           self->Map();
         });
  }

 private:
  void Map() {
    result_.matched = true;
    if (input_.mapping == nullptr) return Encode(std::string(record_.payload));
    ask_(input_.mapping, std::string(record_.payload),
         [self = shared_from_this()](Result<std::string> answer) {
           if (!answer) return self->Failed("mapping", answer.error());
           self->result_.mapped = true;
           self->Encode(std::move(*answer));
         });
  }

  void Encode(std::string body) {
    result_.body = input_.batch ? BodyAlone(body) : std::move(body);
    if (input_.destination != nullptr) {
      auto request = input_.destination->Preview({.record = &record_,
                                                  .body = result_.body,
                                                  .mapped = result_.mapped,
                                                  .batch = input_.batch,
                                                  .webhook_id = input_.webhook_id,
                                                  .now_us = input_.now_us});
      if (!request) return Failed("request", request.error());
      result_.request = std::move(*request);
    }
    done_(std::move(result_));
  }

  void FilteredBy(std::string_view option) {
    result_.filtered_by = option;
    done_(std::move(result_));
  }

  void Failed(std::string_view option, const Error& error) {
    if (error.code() == ErrorCode::kUnavailable) return done_(std::unexpected(error));
    result_.failed = option;
    result_.error = error.message();
    done_(std::move(result_));
  }

  DryRunInput input_;
  AskProgram ask_;
  Done done_;
  log::RecordView record_;
  DryRunResult result_;
};

// Nothing was sent, so nobody needs the signature to compare it.
bool ShownUnsent(std::string_view header) {
  return MayBeShown(header) && AsciiLower(header) != "webhook-signature";
}

json DryRequestJson(const http::ClientRequest& request) {
  json headers = json::object();
  for (const auto& [name, value] : request.headers) {
    headers[name] = ShownUnsent(name) ? value : std::string(config::kRedacted);
  }
  return {{"method", request.method},
          {"url", request.url},
          {"headers", std::move(headers)},
          {"body", request.body == nullptr ? json(nullptr) : json(*request.body)}};
}

}  // namespace

std::string DryRunResult::ToJson(std::string_view destination) const {
  json object{{"destination", destination},
              {"matched", matched},
              {"filtered_by", TextOrNull(filtered_by)},
              {"error", nullptr},
              {"mapped", mapped},
              {"body", TextOrNull(body)},
              {"request", request ? DryRequestJson(*request) : json(nullptr)}};
  if (!failed.empty()) object["error"] = {{"option", failed}, {"message", error}};
  return config::DumpText(object);
}

void RunDry(DryRunInput input, AskProgram ask,
            std::move_only_function<void(Result<DryRunResult>)> done) {
  std::make_shared<Runner>(std::move(input), std::move(ask), std::move(done))->Start();
}

}  // namespace tributary::deliver
