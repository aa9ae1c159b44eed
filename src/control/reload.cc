// POST /api/v1/reload and /api/v1/plan: the configuration file, applied or only compared.
#include "control/reload.h"

#include "config/loader.h"
#include "config/option_list.h"
#include "control/handlers.h"
#include "control/query.h"
#include "control/shapes.h"
#include "http/error_response.h"

namespace tributary::control {
namespace {

using http::Request;
using http::Responder;
using http::Response;

constexpr std::size_t kPlanBodyBytesMax = config::kOptionsBytesMax;

struct PlanBody {
  std::string file = "configuration";
  std::string text;
  static void Describe(config::OptionList<PlanBody>& o) {
    o.Optional("file", &PlanBody::file, "Name of the file, for messages.", {.min = 1, .max = 4096});
    o.Required("text", &PlanBody::text, "What the configuration file would say.",
               {.min = 0, .max = config::kConfigBytesMax});
  }
};

Result<std::optional<Configuration::File>> ReadPlanBody(const Request& request) {
  TRY(CheckQuery(request.query, {}));
  TRY(CheckPlainBody(request));
  if (CheckNoBody(request)) return std::nullopt;
  TRY_ASSIGN(PlanBody body, config::ParseOptions<PlanBody>(request.body));
  return Configuration::File{std::move(body.file), std::move(body.text)};
}

schema::Schema PlanShape() {
  const schema::Schema text = schema::Text();
  const schema::Schema field = schema::Object(
      {{"field", text}, {"before", schema::Anything()}, {"after", schema::Anything()}});
  const schema::Schema change =
      schema::Object({{"kind", schema::Word({"source", "destination", "setting"})},
                      {"name", text},
                      {"action", schema::Word({"add", "change", "pause"})},
                      {"needs_restart", schema::Flag()},
                      {"fields", schema::ListOf(field)}});
  return schema::Object(
      {{"changes", schema::ListOf(change)}, {"needs_restart", schema::ListOf(text)}});
}

// The usual error, and all that is wrong with the file.
schema::Schema RefusalShape() {
  const schema::Schema problem = schema::Object({{"file", schema::Text()},
                                                 {"line", schema::Count()},
                                                 {"column", schema::Count()},
                                                 {"field", schema::Text()},
                                                 {"message", schema::Text()}});
  return schema::Named("ConfigurationError",
                       schema::With(shapes::Error(), {{"problems?", schema::ListOf(problem)}}));
}

Configuration::Done AnswerOn(os::Executor& loop, Responder responder) {
  return [&loop, responder = std::move(responder)](Configuration::Answer answer) mutable {
    loop.Post([responder = std::move(responder), answer = std::move(answer)]() mutable {
      responder.Send(Response::Json(answer.status, std::move(answer.json)));
    });
  };
}

}  // namespace

void AddReloadHandlers(const ControlWorld& world, http::Router& router) {
  if (world.configuration == nullptr) return;
  router.Add(
      {.method = http::Method::kPost,
       .pattern = "/api/v1/reload",
       .scope = http::Scope::kAdmin,
       .body_bytes_max = 1024,
       .summary = "Reads the configuration file again and applies it, whole or not at all.",
       .statuses = {200, 409},
       .docs = {.answer = schema::With(PlanShape(), {{"applied", schema::ListOf(schema::Text())}}),
                .error = RefusalShape()},
       .handle = [&world](const Request& request, const http::PathParams&, Responder responder) {
         Status good = CheckQuery(request.query, {});
         if (good) good = CheckNoBody(request);
         if (!good) return responder.Send(http::ErrorResponse(good.error()));
         world.configuration->Reload(AnswerOn(*world.loop, std::move(responder)));
       }});
  router.Add(
      {.method = http::Method::kPost,
       .pattern = "/api/v1/plan",
       .scope = http::Scope::kAdmin,
       .body_bytes_max = kPlanBodyBytesMax,
       .summary = "Shows what a configuration file would change; changes nothing.",
       .statuses = {200, 409},
       // Nothing to audit, and nothing of the file may be kept: its text holds keys and tokens.
       .changes_nothing = true,
       .docs = {.body = schema::OptionsToWrite(config::OptionList<PlanBody>::Specs()),
                .body_optional = true,
                .answer = PlanShape(),
                .error = RefusalShape()},
       .handle = [&world](const Request& request, const http::PathParams&, Responder responder) {
         auto file = ReadPlanBody(request);
         if (!file) return responder.Send(http::ErrorResponse(file.error()));
         world.configuration->Plan(*std::move(file), AnswerOn(*world.loop, std::move(responder)));
       }});
}

}  // namespace tributary::control
