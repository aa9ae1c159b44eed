// /api/v1/deliveries: pairs of events and destinations, listed and shown.
#include <algorithm>
#include <functional>

#include "control/back_to_loop.h"
#include "control/delivery_text.h"
#include "control/handlers.h"
#include "control/index_wait.h"
#include "control/query.h"
#include "control/shapes.h"
#include "deliver/dead_letters.h"
#include "deliver/deliveries.h"
#include "http/error_response.h"

namespace tributary::control {
namespace {

using deliver::DeliveryEntry;
using deliver::DeliveryQuery;
using deliver::PairState;
using http::PathParams;
using http::Request;
using http::Responder;

constexpr PairState kStates[] = {PairState::kPending,  PairState::kDelivered,
                                 PairState::kRetrying, PairState::kDeadLettered,
                                 PairState::kFiltered, PairState::kDropped};

Result<std::optional<PairState>> StateParameter(std::string_view query) {
  const auto text = TextParameter(query, "state");
  if (!text) return std::nullopt;
  std::string names;
  for (const PairState state : kStates) {
    if (deliver::PairStateName(state) == *text) return state;
    names += (names.empty() ? "" : ", ") + std::string(deliver::PairStateName(state));
  }
  return Fail(ErrorCode::kInvalid, "state", "state must be one of " + names);
}

std::string EntryText(SourceNames& names, const DeliveryEntry& entry) {
  const bool known = entry.received_at_us != 0;
  const std::string more =
      ",\"received_at\":" + (known ? "\"" + FormatIso8601(entry.received_at_us) + "\"" : "null");
  return DeliveryText(names, entry.pair, entry.source, entry.message_id, more);
}

std::string ListText(const std::vector<std::string>& entries,
                     const deliver::Deliveries::Page& page) {
  std::string text = PageText(entries, page.next_cursor ? &*page.next_cursor : nullptr);
  text.pop_back();
  return text + ",\"total\":" + std::to_string(page.total.pairs) +
         ",\"total_exact\":" + (page.total.exact ? "true" : "false") + "}";
}

schema::Schema ListShape() {
  const std::string total =
      "How many deliveries all pages together have, counted for the first page. At most " +
      std::to_string(deliver::kDeliveryRecordsMax) + " events and " +
      std::to_string(deliver::kDeliveryPairsMax) +
      " deliveries are looked at, and where only the destination's condition decides, some " +
      std::to_string(deliver::kDeliveryConditionsMax) +
      ": where there are more, it is the number that was found among them.";
  const std::string exact = "False: there are at least `total`, and more were not looked at.";
  return schema::With(schema::PageOf(shapes::Delivery()),
                      {{"total", schema::Described(schema::Count(), total)},
                       {"total_exact", schema::Described(schema::Flag(), exact)}});
}

class DeliveryHandlers {
 public:
  DeliveryHandlers(const ControlWorld& world, Blocking& blocking, SourceNames& names)
      : world_(world), blocking_(blocking), names_(names) {}

  void List(const Request& request, const PathParams&, Responder responder) {
    auto asked = std::make_shared<Asked>();
    asked->responder = std::move(responder);
    auto query = ReadQuery(request);
    if (!query) return Refuse(*asked, query.error());
    asked->query = *std::move(query);
    asked->source = TextParameter(request.query, "source");
    // Nothing that was acknowledged before the request is left out.
    WaitForDedupe(world_, asked->query.message_id ? Reached::kIndexed : Reached::kDecided,
                  [this, asked](const Status& ready) {
                    if (!ready) return Refuse(*asked, ready.error());
                    Resolve(asked);
                  });
  }

  void Get(const Request& request, const PathParams& params, Responder responder) {
    auto asked = std::make_shared<Asked>();
    asked->responder = std::move(responder);
    if (const Status good = CheckQuery(request.query, {}); !good) {
      return Refuse(*asked, good.error());
    }
    auto answer = [this, asked](Result<DeliveryEntry> entry) {
      if (!entry) return Refuse(*asked, entry.error());
      AnswerFromWorker(blocking_, std::move(asked->responder),
                       [this, entry = *std::move(entry)]() -> Result<std::string> {
                         return EntryText(names_, entry);
                       });
    };
    world_.engine->deliveries().Get(params.at("id"),
                                    BackToLoop<DeliveryEntry>(*world_.loop, std::move(answer)));
  }

 private:
  struct Asked {
    Responder responder;
    DeliveryQuery query;
    std::optional<std::string> source;  // its name
  };
  using AskedPtr = std::shared_ptr<Asked>;

  static void Refuse(Asked& asked, const Error& error) {
    asked.responder.Send(http::ErrorResponse(error));
  }

  static Result<DeliveryQuery> ReadQuery(const Request& request) {
    TRY_ASSIGN(const PageRequest page,
               ReadPage(request.query,
                        {"destination", "state", "message_id", "source", "since", "until"}));
    DeliveryQuery query{.cursor = page.cursor, .limit = page.limit};
    query.destination = TextParameter(request.query, "destination");
    query.message_id = TextParameter(request.query, "message_id");
    TRY_ASSIGN(query.state, StateParameter(request.query));
    TRY_ASSIGN(query.since, TimeParameter(request.query, "since"));
    TRY_ASSIGN(query.until, TimeParameter(request.query, "until"));
    return query;
  }

  // An id is unique per source only, and a name may be that of several sources, one after another.
  Status Place(DeliveryQuery& query) const {
    TRY_ASSIGN(const auto found, world_.events->FindAll(query.sources, *query.message_id));
    for (const auto& [partition, offset] : found.places) query.at.push_back({partition, offset});
    std::ranges::sort(query.at, std::greater<>());
    query.more_at = !found.all;
    query.not_in_log = query.at.empty();
    return {};
  }

  // Names become numbers, and a message id the places of its events, on the worker.
  void Resolve(const AskedPtr& asked) {
    const bool taken = blocking_.Run(
        [this, asked]() -> Status {
          TRY_ASSIGN(asked->query.sources, SourcesOfName(names_, asked->source));
          if (!asked->query.message_id) return {};
          return Place(asked->query);
        },
        [this, asked](const Status& resolved) {
          if (!resolved) return Refuse(*asked, resolved.error());
          Search(asked);
        });
    if (!taken) {
      Refuse(*asked, Error(ErrorCode::kUnavailable, "too much is asked for at once"));
    }
  }

  // What failed a moment ago is found by its row, which is stored with the next commit.
  void Search(const AskedPtr& asked) {
    world_.engine->dead_letters().WhenStored(
        [this, asked] { world_.loop->Post([this, asked] { SearchNow(asked); }); });
  }

  void SearchNow(const AskedPtr& asked) {
    auto answer = [this, asked](Result<deliver::Deliveries::Page> page) {
      if (!page) return Refuse(*asked, page.error());
      AnswerFromWorker(blocking_, std::move(asked->responder),
                       [this, page = *std::move(page)]() -> Result<std::string> {
                         std::vector<std::string> entries;
                         entries.reserve(page.data.size());
                         for (const DeliveryEntry& entry : page.data) {
                           entries.push_back(EntryText(names_, entry));
                         }
                         return ListText(entries, page);
                       });
    };
    world_.engine->deliveries().List(std::move(asked->query), BackToLoop<deliver::Deliveries::Page>(
                                                                  *world_.loop, std::move(answer)));
  }

  const ControlWorld& world_;
  Blocking& blocking_;
  SourceNames& names_;
};

}  // namespace

void AddDeliveryHandlers(const ControlWorld& world, Blocking& blocking, SourceNames& names,
                         http::Router& router) {
  const auto handlers = std::make_shared<DeliveryHandlers>(world, blocking, names);
  const auto add = [&](const char* pattern, const char* summary, auto call,
                       const http::RouteDocs& docs, const std::vector<int>& statuses = {}) {
    router.Add({.method = http::Method::kGet,
                .pattern = pattern,
                .scope = http::Scope::kRead,
                .body_bytes_max = 0,
                .summary = summary,
                .statuses = statuses,
                .docs = docs,
                .handle = [handlers, call](const Request& request, const PathParams& params,
                                           Responder responder) {
                  ((*handlers).*call)(request, params, std::move(responder));
                }});
  };
  add("/api/v1/deliveries", "Lists deliveries, newest event first.", &DeliveryHandlers::List,
      {.query = {"limit", "cursor", "destination", "state", "message_id", "source", "since",
                 "until"},
       .answer = ListShape()},
      {200, 504});
  add("/api/v1/deliveries/{id}", "Shows a delivery.", &DeliveryHandlers::Get,
      {.answer = shapes::Delivery()});
}

}  // namespace tributary::control
