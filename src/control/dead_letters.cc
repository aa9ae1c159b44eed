// /api/v1/dead-letters: list, show, send again, delete; redrives and deletions in progress.
#include <nlohmann/json.hpp>

#include "config/json_text.h"
#include "control/back_to_loop.h"
#include "control/delivery_text.h"
#include "control/handlers.h"
#include "control/query.h"
#include "control/shapes.h"
#include "deliver/dead_letters.h"
#include "http/error_response.h"

namespace tributary::control {
namespace {

using deliver::DeadAction;
using deliver::DeadLetter;
using deliver::DeadLetterQuery;
using deliver::DeadMoving;
using deliver::DeadSelection;
using http::Method;
using http::PathParams;
using http::Request;
using http::Responder;
using http::Response;
using http::Scope;
using nlohmann::json;

constexpr std::size_t kDeadLetterBodyBytesMax = 256 * 1024;

std::string LetterText(SourceNames& names, const DeadLetter& letter, bool whole) {
  std::string more = ",\"reason\":" + JsonString(letter.reason) + ",\"at\":\"" +
                     FormatIso8601(letter.at_us) + "\",\"received_at\":";
  const bool known = letter.received_at_us != 0;
  more += known ? "\"" + FormatIso8601(letter.received_at_us) + "\"" : "null";
  if (whole) more += ",\"event\":" + (letter.event.empty() ? "null" : letter.event);
  return DeliveryText(names, letter.pair, letter.source, letter.message_id, more);
}

std::string MovingText(DeadAction action, const DeadMoving& moving) {
  json object{{"id", moving.id},
              {"state", moving.running ? "running" : "done"},
              {"done", moving.done},
              {"total", moving.total}};
  object[action == DeadAction::kRedrive ? "redriven" : "deleted"] = moving.done;
  return object.dump();
}

Result<std::vector<std::string>> ReadIds(const json& value) {
  if (!value.is_array()) return WrongField("ids", "must be a list of delivery ids");
  if (value.size() > deliver::kDeadIdsMax) {
    return WrongField("ids",
                      "must have at most " + std::to_string(deliver::kDeadIdsMax) + " entries");
  }
  std::vector<std::string> ids;
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (!value[i].is_string())
      return WrongField("ids[" + std::to_string(i) + "]", "must be a text");
    ids.push_back(value[i].get<std::string>());
  }
  return ids;
}

Result<UnixMicros> ReadTime(const std::string& field, const json& value) {
  const auto at = value.is_string() ? ParseIso8601(value.get<std::string>()) : std::nullopt;
  if (!at) return WrongField(field, "must be a time such as 2026-01-31T12:00:00Z");
  return *at;
}

// The body of a redrive or deletion. With nothing named (or "all": true) it selects everything,
// which must be said: no body may be one that got lost.
Result<DeadSelection> ReadSelection(std::string_view body) {
  DeadSelection selection;
  if (body.empty()) {
    return Fail(ErrorCode::kInvalid, "the body says which dead letters; {} is all of them");
  }
  TRY_ASSIGN(const json object, config::ParseJson(body, kDeadLetterBodyBytesMax, 4));
  if (!object.is_object()) return Fail(ErrorCode::kInvalid, "the body is a JSON object");
  bool all = false;
  for (const auto& [name, value] : object.items()) {
    if (name == "destination") {
      if (!value.is_string()) return WrongField(name, "must be the name of a destination");
      selection.destination = value.get<std::string>();
    } else if (name == "ids") {
      TRY_ASSIGN(selection.ids, ReadIds(value));
    } else if (name == "since") {
      TRY_ASSIGN(selection.since, ReadTime(name, value));
    } else if (name == "until") {
      TRY_ASSIGN(selection.until, ReadTime(name, value));
    } else if (name == "all") {
      if (!value.is_boolean() || !value.get<bool>()) return WrongField(name, "must be true");
      all = true;
    } else {
      return WrongField(name, "is not known here: destination, ids, since, until, all are");
    }
  }
  if (all && object.size() > 1) return WrongField("all", "must stand alone");
  return selection;
}

schema::Schema SelectionShape() {
  const schema::Schema text = schema::Text();
  return schema::Object({{"destination?", text},
                         {"ids?", schema::ListOf(text)},
                         {"since?", schema::Time()},
                         {"until?", schema::Time()},
                         {"all?", schema::Flag()}});
}

// `moved`: "redriven" or "deleted".
schema::Schema MovingShape(std::string_view moved) {
  return schema::Object({{"id", schema::Text()},
                         {"state", schema::Word({"running", "done"})},
                         {"done", schema::Count()},
                         {"total", schema::Count()},
                         {moved, schema::Count()}});
}

class DeadLetterHandlers {
 public:
  DeadLetterHandlers(const ControlWorld& world, Blocking& blocking, SourceNames& names)
      : world_(world), letters_(world.engine->dead_letters()), blocking_(blocking), names_(names) {}

  void List(const Request& request, const PathParams&, Responder responder) {
    auto query = ReadQuery(request);
    if (!query) return Refuse(responder, query.error());
    Answer(std::move(responder), [this, query = *std::move(query),
                                  source = TextParameter(request.query, "source")]() mutable {
      return ListText(query, source);
    });
  }

  void Get(const Request& request, const PathParams& params, Responder responder) {
    if (const Status good = CheckQuery(request.query, {}); !good) {
      return Refuse(responder, good.error());
    }
    Answer(std::move(responder), [this, id = params.at("id")]() -> Result<std::string> {
      TRY_ASSIGN(const DeadLetter letter, letters_.Get(id));
      return LetterText(names_, letter, true);
    });
  }

  void Redrive(const Request& request, const PathParams&, Responder responder) {
    Move(DeadAction::kRedrive, request, std::move(responder));
  }
  void DeleteMany(const Request& request, const PathParams&, Responder responder) {
    Move(DeadAction::kDelete, request, std::move(responder));
  }

  void DeleteOne(const Request& request, const PathParams& params, Responder responder) {
    if (const Status good = CheckQuery(request.query, {}); !good) {
      return Refuse(responder, good.error());
    }
    auto answer = [responder = std::move(responder)](Result<DeadMoving> moving) mutable {
      if (!moving) return Refuse(responder, moving.error());
      if (moving->done == 0 && moving->running) {  // its lane takes no changes for the moment
        return responder.Send(Response::Json(202, MovingText(DeadAction::kDelete, *moving)));
      }
      if (moving->done == 0) {
        return Refuse(responder,
                      Error(ErrorCode::kNotFound, "id", "there is no dead letter of that id"));
      }
      responder.Send({.status = 204, .headers = {}, .body = {}});
    };
    letters_.Move(DeadAction::kDelete, {.ids = {{params.at("id")}}},
                  BackToLoop<DeadMoving>(*world_.loop, std::move(answer)));
  }

  void Redriving(const Request& request, const PathParams& params, Responder responder) {
    Moving(DeadAction::kRedrive, request, params, std::move(responder));
  }
  void Deleting(const Request& request, const PathParams& params, Responder responder) {
    Moving(DeadAction::kDelete, request, params, std::move(responder));
  }

 private:
  static void Refuse(Responder& responder, const Error& error) {
    responder.Send(http::ErrorResponse(error));
  }

  // On the worker, once what died before the request can be read.
  template <class Work>
  void Answer(Responder responder, Work work) {
    letters_.WhenStored([this, responder = std::move(responder), work = std::move(work)]() mutable {
      world_.loop->Post([this, responder = std::move(responder), work = std::move(work)]() mutable {
        AnswerFromWorker(blocking_, std::move(responder), std::move(work));
      });
    });
  }

  Result<DeadLetterQuery> ReadQuery(const Request& request) const {
    TRY_ASSIGN(const PageRequest page,
               control::ReadPage(request.query,
                                 {"destination", "since", "until", "message_id", "source"}));
    DeadLetterQuery query{.cursor = page.cursor, .limit = page.limit};
    query.selection.destination = TextParameter(request.query, "destination");
    query.message_id = TextParameter(request.query, "message_id");
    TRY_ASSIGN(query.selection.since, TimeParameter(request.query, "since"));
    TRY_ASSIGN(query.selection.until, TimeParameter(request.query, "until"));
    return query;
  }

  // On the worker.
  Result<std::string> ListText(DeadLetterQuery& query, const std::optional<std::string>& source) {
    TRY_ASSIGN(query.sources, SourcesOfName(names_, source));
    TRY_ASSIGN(const auto page, letters_.List(query));
    std::vector<std::string> entries;
    entries.reserve(page.data.size());
    for (const DeadLetter& letter : page.data) entries.push_back(LetterText(names_, letter, false));
    std::string text = PageText(entries, page.next_cursor ? &*page.next_cursor : nullptr);
    text.pop_back();
    return text + ",\"total\":" + (page.total ? std::to_string(*page.total) : "null") + "}";
  }

  void Move(DeadAction action, const Request& request, Responder responder) {
    Status good = CheckQuery(request.query, {});
    if (good) good = CheckPlainBody(request);
    auto selection = good ? ReadSelection(request.body) : std::unexpected(good.error());
    if (!selection) return Refuse(responder, selection.error());
    auto answer = [action, responder = std::move(responder)](Result<DeadMoving> moving) mutable {
      if (!moving) return Refuse(responder, moving.error());
      responder.Send(Response::Json(moving->running ? 202 : 200, MovingText(action, *moving)));
    };
    letters_.Move(action, *std::move(selection),
                  BackToLoop<DeadMoving>(*world_.loop, std::move(answer)));
  }

  void Moving(DeadAction action, const Request& request, const PathParams& params,
              Responder responder) {
    if (const Status good = CheckQuery(request.query, {}); !good) {
      return Refuse(responder, good.error());
    }
    const auto moving = letters_.Moving(action, params.at("id"));
    if (!moving) return Refuse(responder, moving.error());
    responder.Send(Response::Json(200, MovingText(action, *moving)));
  }

  const ControlWorld& world_;
  deliver::DeadLetters& letters_;
  Blocking& blocking_;
  SourceNames& names_;
};

using DeadLetterCall = void (DeadLetterHandlers::*)(const Request&, const PathParams&, Responder);

}  // namespace

void AddDeadLetterHandlers(const ControlWorld& world, Blocking& blocking, SourceNames& names,
                           http::Router& router) {
  const auto handlers = std::make_shared<DeadLetterHandlers>(world, blocking, names);
  const auto add = [&](Method method, std::string pattern, Scope scope, std::string summary,
                       DeadLetterCall call, http::RouteDocs docs, std::vector<int> statuses = {}) {
    router.Add({.method = method,
                .pattern = std::move(pattern),
                .scope = scope,
                .body_bytes_max = method == Method::kPost ? kDeadLetterBodyBytesMax : 0,
                .summary = std::move(summary),
                .statuses = std::move(statuses),
                .docs = std::move(docs),
                .handle = [handlers, call](const Request& request, const PathParams& params,
                                           Responder responder) {
                  ((*handlers).*call)(request, params, std::move(responder));
                }});
  };
  const std::string all = "/api/v1/dead-letters";
  const schema::Schema shown =
      schema::With(shapes::Delivery(), {{"reason", schema::Text()}, {"at", schema::Time()}});
  const schema::Schema whole =
      schema::With(shown, {{"event", schema::OrNull(schema::AnyObject())}});
  const schema::Schema page = schema::Named(
      "DeadLetterPage", schema::With(schema::PageOf(schema::Named("DeadLetter", shown)),
                                     {{"total", schema::OrNull(schema::Count())}}));
  const schema::Schema redrive = MovingShape("redriven");
  const schema::Schema deletion = MovingShape("deleted");
  add(Method::kGet, all, Scope::kRead, "Lists dead letters, newest first.",
      &DeadLetterHandlers::List,
      {.query = {"limit", "cursor", "destination", "since", "until", "message_id", "source"},
       .answer = page});
  add(Method::kPost, all + "/redrive", Scope::kWrite, "Sends dead letters again.",
      &DeadLetterHandlers::Redrive, {.body = SelectionShape(), .answer = redrive}, {200, 202});
  add(Method::kPost, all + "/delete", Scope::kWrite, "Deletes dead letters.",
      &DeadLetterHandlers::DeleteMany, {.body = SelectionShape(), .answer = deletion}, {200, 202});
  add(Method::kGet, all + "/redrives/{id}", Scope::kRead, "Shows how far a redrive is.",
      &DeadLetterHandlers::Redriving, {.answer = redrive});
  add(Method::kGet, all + "/deletions/{id}", Scope::kRead, "Shows how far a deletion is.",
      &DeadLetterHandlers::Deleting, {.answer = deletion});
  add(Method::kGet, all + "/{id}", Scope::kRead, "Shows a dead letter with its event.",
      &DeadLetterHandlers::Get, {.answer = whole});
  add(Method::kDelete, all + "/{id}", Scope::kWrite, "Deletes a dead letter.",
      &DeadLetterHandlers::DeleteOne, {.answer = deletion}, {202, 204});
}

}  // namespace tributary::control
