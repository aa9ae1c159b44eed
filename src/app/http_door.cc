#include "app/http_door.h"

#include "app/translate.h"
#include "deliver/notice.h"
#include "http/error_response.h"

namespace tributary::app {
namespace {

control::ControlWorld ForLoop(control::ControlWorld world, os::AsioLoop& loop,
                              const ingest::SourceDirectory& directory) {
  world.loop = &loop;
  world.sources = &directory;
  return world;
}

constexpr std::string_view kTrackApi = "track_api";  // what `track_api.enabled` switches off

// Whether a source may take POST /track without a key although it does not say so itself.
bool KeylessAllowed(const config::Settings& settings) {
  return config::LoopbackOnly(settings) && settings.track_api.keyless == config::Keyless::kLoopback;
}

// Refuses what this process sent as a notice, wherever it comes in: there is no loop of notices
// about events that notices became.
http::Router::Gate WithoutOwnNotices(http::Router::Gate gate, std::string instance) {
  return [gate = std::move(gate), instance = std::move(instance)](
             const http::Route& route, const http::Request& request, http::Responder& responder) {
    if (request.header(deliver::kNoticeHeader) != instance) return gate(route, request, responder);
    responder.Send(http::ErrorResponse(400, "own_notice",
                                       "a notice of this server is no request to it: the next "
                                       "notice could be about what it became"));
    return false;
  };
}

}  // namespace

HttpDoor::HttpDoor(const DoorWorld& world)
    : world_(world),
      directory_(os::SystemRandom()),
      intake_(loop_, *world.log, *world.metrics),
      api_(ForLoop(world.control, loop_, directory_)) {
  world.control.registry->Subscribe(loop_, directory_);
  const ingest::SourceContext context{.intake = &intake_,
                                      .directory = &directory_,
                                      .clock = &os::SystemClock(),
                                      .random = &os::SystemRandom(),
                                      .metrics = world.metrics,
                                      .loopback = KeylessAllowed(*world.settings)};
  for (const ingest::SourceRegistration* registration : ingest::RegisteredSources()) {
    if (registration->name == kTrackApi && !world.settings->track_api.enabled) continue;
    sources_.push_back(registration->make(context));
    sources_.back()->AddRoutes(router_);
  }
  api_.AddHealthRoutes(router_);
  if (world.settings->track_api.enabled) api_.AddTrackApiRoutes(router_);
  if (world.settings->admin.listen.empty()) {
    api_.AddRoutes(router_);
  } else {
    api_.AddHealthRoutes(admin_router_);
    api_.AddRoutes(admin_router_);
  }
  router_.SetGate(WithoutOwnNotices(world.access->gate(), world.instance));
  admin_router_.SetGate(WithoutOwnNotices(world.access->gate(), world.instance));
  router_.SetAround(api_.around());
  admin_router_.SetAround(api_.around());
}

Status HttpDoor::Listen(const config::ListenAddress& address, http::PortUse use) {
  TRY_ASSIGN(server_, http::Listen(loop_, address.host, address.port, use,
                                   ServerLimitsOf(*world_.settings), router_));
  return {};
}

Status HttpDoor::ListenAdmin(const config::ListenAddress& address) {
  TRY_ASSIGN(admin_server_, http::Listen(loop_, address.host, address.port, http::PortUse::kAlone,
                                         ServerLimitsOf(*world_.settings), admin_router_));
  return {};
}

void HttpDoor::Drain(std::function<void()> done) {
  draining_ = admin_server_ ? 2 : 1;
  const auto one_less = [this, done = std::move(done)] {
    if (--draining_ > 0) return;
    intake_.Close();
    done();
  };
  server_->Drain(one_less);
  if (admin_server_) admin_server_->Drain(one_less);
}

}  // namespace tributary::app
