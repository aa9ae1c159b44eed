// /api/v1/sources: what takes events in, and the write keys that open it. A key is shown whole in
// the answer that makes it, and never again.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "codec/base64.h"
#include "config/json_text.h"
#include "config/option_list.h"
#include "config/settings.h"
#include "control/back_to_loop.h"
#include "control/handlers.h"
#include "control/query.h"
#include "control/shapes.h"
#include "control/source_keys.h"
#include "control/source_registry.h"
#include "control/source_stored.h"
#include "http/error_response.h"

namespace tributary::control {
namespace {

using http::Method;
using http::PathParams;
using http::Request;
using http::Responder;
using http::Response;
using http::Scope;
using ingest::SourceSpec;
using Changed = SourceRegistry::Changed;

constexpr std::string_view kCursorMark = "source:";

std::string CursorOf(const std::string& name) {
  return codec::Base64UrlEncode(std::string(kCursorMark) + name);
}

// "" of an empty cursor.
Result<std::string> NameOfCursor(const std::string& cursor) {
  if (cursor.empty()) return std::string();
  const auto text = codec::Base64Decode(cursor, codec::Base64::kUrl);
  if (!text || !text->starts_with(kCursorMark) || text->size() == kCursorMark.size()) {
    return Fail(ErrorCode::kInvalid, "cursor", "cursor must be the next_cursor of a page before");
  }
  return text->substr(kCursorMark.size());
}

// A page of texts by name; the cursor is the last name of the page before, so that pages stay right
// when sources come and go.
Result<std::string> PageAfter(const ingest::SourceSnapshot& snapshot, const PageRequest& page,
                              UnixMicros now_us) {
  TRY_ASSIGN(const std::string after, NameOfCursor(page.cursor));
  std::vector<const SourceSpec*> sources;
  for (const SourceSpec& source : snapshot.all()) {
    if (after.empty() || source.name > after) sources.push_back(&source);
  }
  std::ranges::sort(sources, {}, &SourceSpec::name);
  std::string next;
  if (sources.size() > page.limit) {
    sources.resize(page.limit);
    next = CursorOf(sources.back()->name);
  }
  std::vector<std::string> entries;
  entries.reserve(sources.size());
  for (const SourceSpec* source : sources)
    entries.push_back(config::DumpText(SourceJson(*source, now_us)));
  return PageText(entries, next.empty() ? nullptr : &next);
}

class SourceHandlers {
 public:
  SourceHandlers(const ControlWorld& world, Blocking& blocking)
      : registry_(*world.registry), directory_(*world.sources), blocking_(blocking) {}

  void List(const Request& request, const PathParams&, Responder responder) {
    const auto page = ReadPage(request.query);
    if (!page) return responder.Send(http::ErrorResponse(page.error()));
    auto text = PageAfter(directory_.current(), *page, registry_.Now());
    responder.Send(text ? Response::Json(200, *std::move(text))
                        : http::ErrorResponse(text.error()));
  }

  void Get(const Request& request, const PathParams& params, Responder responder) {
    const SourceSpec* const source = Shown(request, params, responder);
    if (source == nullptr) return;
    responder.Send(Response::Json(200, config::DumpText(SourceJson(*source, registry_.Now()))));
  }

  void ListKeys(const Request& request, const PathParams& params, Responder responder) {
    const SourceSpec* const source = Shown(request, params, responder);
    if (source == nullptr) return;
    std::vector<std::string> entries;
    entries.reserve(source->write_keys.size());
    for (const ingest::WriteKey& key : source->write_keys) {
      entries.push_back(config::DumpText(WriteKeyJson(key, entries.size(), registry_.Now())));
    }
    responder.Send(Response::Json(200, PageText(entries, nullptr)));
  }

  void Create(const Request& request, const PathParams&, Responder responder) {
    Change(request, std::move(responder), 201, [this, body = std::string(request.body)](auto done) {
      registry_.Create(body, std::move(done));
    });
  }
  void Put(const Request& request, const PathParams& params, Responder responder) {
    Change(request, std::move(responder), 200,
           [this, name = params.at("name"), body = std::string(request.body)](auto done) {
             registry_.Put(name, body, std::move(done));
           });
  }
  void Patch(const Request& request, const PathParams& params, Responder responder) {
    Change(request, std::move(responder), 200,
           [this, name = params.at("name"), body = std::string(request.body)](auto done) {
             registry_.Patch(name, body, std::move(done));
           });
  }
  void Delete(const Request& request, const PathParams& params, Responder responder) {
    Change(request, std::move(responder), 204, [this, name = params.at("name")](auto done) {
      registry_.Delete(name, std::move(done));
    });
  }
  void AddKey(const Request& request, const PathParams& params, Responder responder) {
    Change(request, std::move(responder), 201,
           [this, name = params.at("name"), body = std::string(request.body)](auto done) {
             registry_.AddKey(name, body, std::move(done));
           });
  }
  void RotateKeys(const Request& request, const PathParams& params, Responder responder) {
    Change(request, std::move(responder), 201,
           [this, name = params.at("name"), body = std::string(request.body)](auto done) {
             registry_.RotateKeys(name, body, std::move(done));
           });
  }
  void EnableKey(const Request& request, const PathParams& params, Responder responder) {
    SetEnabled(request, params, true, std::move(responder));
  }
  void DisableKey(const Request& request, const PathParams& params, Responder responder) {
    SetEnabled(request, params, false, std::move(responder));
  }
  void DeleteKey(const Request& request, const PathParams& params, Responder responder) {
    Change(request, std::move(responder), 204,
           [this, name = params.at("name"), id = params.at("id")](auto done) {
             registry_.DeleteKey(name, id, std::move(done));
           });
  }

 private:
  using Done = SourceRegistry::Done<Changed>;

  const SourceSpec* Shown(const Request& request, const PathParams& params, Responder& responder) {
    if (const Status good = CheckQuery(request.query, {}); !good) {
      responder.Send(http::ErrorResponse(good.error()));
      return nullptr;
    }
    const SourceSpec* const source = directory_.current().FindByName(params.at("name"));
    if (source == nullptr) {
      responder.Send(http::ErrorResponse(404, "not_found", "there is no source of that name"));
    }
    return source;
  }

  void SetEnabled(const Request& request, const PathParams& params, bool enabled,
                  Responder responder) {
    if (const Status good = CheckNoBody(request); !good) {
      return responder.Send(http::ErrorResponse(good.error()));
    }
    Change(request, std::move(responder), 200,
           [this, name = params.at("name"), id = params.at("id"), enabled](auto done) {
             registry_.EnableKey(name, id, enabled, std::move(done));
           });
  }

  // `call` runs on the worker, since it waits for the disk; the answer is sent on the loop.
  template <class SourceCall>
  void Change(const Request& request, Responder responder, int status, SourceCall call) {
    Status good = CheckQuery(request.query, {});
    if (good) good = CheckPlainBody(request);
    if (!good) return responder.Send(http::ErrorResponse(good.error()));
    auto shared = std::make_shared<Responder>(std::move(responder));
    auto answer = [shared, status](Result<Changed> changed) {
      if (!changed) return shared->Send(http::ErrorResponse(changed.error()));
      if (status == 204) return shared->Send({.status = 204, .headers = {}, .body = {}});
      shared->Send(Response::Json(changed->created ? 201 : status, std::move(changed->json)));
    };
    Done done = BackToLoop<Changed>(blocking_.loop(), std::move(answer));
    const bool taken = blocking_.Run(
        [call = std::move(call), done = std::move(done)]() mutable {
          call(std::move(done));
          return true;
        },
        [](bool) {});
    if (!taken) {
      shared->Send(http::ErrorResponse(503, "unavailable", "too many changes wait; try again"));
    }
  }

  SourceRegistry& registry_;
  const ingest::SourceDirectory& directory_;
  Blocking& blocking_;
};

using SourceCall = void (SourceHandlers::*)(const Request&, const PathParams&, Responder);

}  // namespace

void AddSourceHandlers(const ControlWorld& world, Blocking& blocking, http::Router& router) {
  const auto handlers = std::make_shared<SourceHandlers>(world, blocking);
  const auto add = [&](Method method, std::string pattern, Scope scope, std::string summary,
                       SourceCall call, std::vector<int> statuses, http::RouteDocs docs) {
    const bool body = method != Method::kGet && method != Method::kDelete;
    router.Add({.method = method,
                .pattern = std::move(pattern),
                .scope = scope,
                .body_bytes_max = body ? config::kOptionsBytesMax : 0,
                .summary = std::move(summary),
                .statuses = std::move(statuses),
                .docs = std::move(docs),
                .handle = [handlers, call](const Request& request, const PathParams& params,
                                           Responder responder) {
                  ((*handlers).*call)(request, params, std::move(responder));
                }});
  };
  const std::string all = "/api/v1/sources";
  const std::string one = all + "/{name}";
  const std::string keys = one + "/write-keys";
  const std::string key = keys + "/{id}";
  const auto& options = config::OptionList<config::SourceSettings>::Specs();
  const schema::Schema shown = shapes::Source();
  const schema::Schema one_key = shapes::WriteKey();
  add(Method::kGet, all, Scope::kRead, "Lists the sources.", &SourceHandlers::List, {},
      {.query = {"limit", "cursor"}, .answer = schema::PageOf(shown)});
  add(Method::kPost, all, Scope::kWrite, "Makes a source.", &SourceHandlers::Create,
      {201, 409, 507},
      {.body = schema::Named("NewSource", schema::OptionsToWrite(options)), .answer = shown});
  add(Method::kGet, one, Scope::kRead, "Shows a source.", &SourceHandlers::Get, {},
      {.answer = shown});
  add(Method::kPut, one, Scope::kWrite, "Makes or replaces a source.", &SourceHandlers::Put,
      {200, 201, 409, 507},
      {.body = schema::Named("WholeSource", schema::OptionsToChange(options)), .answer = shown});
  add(Method::kPatch, one, Scope::kWrite, "Changes what the body names.", &SourceHandlers::Patch,
      {200, 409},
      {.body = schema::Named("ChangedSource", schema::OptionsToChange(options)), .answer = shown});
  add(Method::kDelete, one, Scope::kWrite, "Removes a source; its events stay.",
      &SourceHandlers::Delete, {204, 409}, {});
  add(Method::kGet, keys, Scope::kRead, "Lists the write keys of a source.",
      &SourceHandlers::ListKeys, {}, {.answer = schema::PageOf(one_key)});
  add(Method::kPost, keys, Scope::kWrite, "Makes a write key.", &SourceHandlers::AddKey,
      {201, 409, 507}, {.body = NewWriteKeySchema(), .body_optional = true, .answer = one_key});
  add(Method::kPost, keys + "/rotate", Scope::kWrite,
      "Makes a write key; the others end after an overlap.", &SourceHandlers::RotateKeys,
      {201, 409, 507}, {.body = RotateKeysSchema(), .body_optional = true, .answer = one_key});
  add(Method::kDelete, key, Scope::kWrite, "Removes a write key.", &SourceHandlers::DeleteKey,
      {204, 409}, {});
  add(Method::kPost, key + "/disable", Scope::kWrite, "Refuses a write key.",
      &SourceHandlers::DisableKey, {200, 409}, {.answer = one_key});
  add(Method::kPost, key + "/enable", Scope::kWrite, "Takes a write key again.",
      &SourceHandlers::EnableKey, {200, 409}, {.answer = one_key});
}

}  // namespace tributary::control
