#include "app/program.h"

#include <array>
#include <future>

#include "app/rest_trim.h"
#include "app/signal_reload.h"
#include "app/translate.h"
#include "base/bytes.h"
#include "base/logging.h"
#include "cli/command.h"
#include "destinations/route_matcher.h"
#include "os/process.h"
#include "store/key_file.h"

namespace tributary::app {
namespace {

// SIGTERM must be over within 10 s: this much for requests in progress, then for deliveries.
constexpr MonoNanos kDoorDrainMax = 4 * kNanosPerSecond;
constexpr MonoNanos kDeliveryDrainMax = 3 * kNanosPerSecond;
// How soon maintenance looks again while records come in, and while none do.
constexpr MonoNanos kBusyPause = 20 * kNanosPerMilli;
constexpr MonoNanos kIdlePause = 200 * kNanosPerMilli;

unsigned DoorCount(const config::Settings& settings) {
  return settings.threads != 0 ? settings.threads : os::Cores();
}

std::string NewInstance() {
  std::array<unsigned char, 16> bytes;
  os::SystemRandom().Fill(bytes);
  return ToHex(bytes);
}

}  // namespace

Program::Program(config::Settings settings, config::LoadInput input)
    : settings_(std::move(settings)), input_(std::move(input)), instance_(NewInstance()) {}
Program::~Program() {
  StopPrograms();
}

Result<std::unique_ptr<Program>> Program::Build(config::Settings settings,
                                                config::LoadInput input) {
  std::unique_ptr<Program> program(new Program(std::move(settings), std::move(input)));
  TRY(program->OpenData());
  TRY(program->OpenStages());
  TRY(program->OpenDoors());
  program->AddGauges();
  return program;
}

Status Program::OpenData() {
  TRY_ASSIGN(data_dir_, store::OpenDataDir(os::PosixFileSystem(), settings_.data_dir));
  TRY(backup::RemoveScratch(os::PosixFileSystem(), settings_.data_dir));
  TRY_ASSIGN(store_, store::OpenRocksStore({.dir = settings_.data_dir + "/store"}));
  TRY_ASSIGN(const codec::SealKey key,
             store::OpenKeyFile(os::PosixFileSystem(), os::SystemRandom(), settings_.data_dir));
  sealer_ = std::make_unique<codec::Sealer>(key, os::SystemRandom());
  audit_ = std::make_unique<control::AuditLog>(*store_, os::SystemClock());
  idempotency_ = std::make_unique<control::Idempotency>(control::Idempotency::World{
      .store = store_.get(), .clock = &os::SystemClock(), .sealer = sealer_.get()});
  TRY(idempotency_->Load());
  TRY_ASSIGN(log_, log::SegmentedLog::Open({.fs = &os::PosixFileSystem(),
                                            .clock = &os::SystemClock(),
                                            .random = &os::SystemRandom()},
                                           LogOptionsOf(settings_)));
  TRY_ASSIGN(sources_, control::SourceRegistry::Open({.store = store_.get(),
                                                      .clock = &os::SystemClock(),
                                                      .random = &os::SystemRandom()},
                                                     settings_.sources));
  return {};
}

Status Program::OpenStages() {
  TRY_ASSIGN(dedupe_, dedupe::Dedupe::Open({.fs = &os::PosixFileSystem(),
                                            .clock = &os::SystemClock(),
                                            .random = &os::SystemRandom(),
                                            .log = log_.get(),
                                            .registry = &metrics_},
                                           DedupeOptionsOf(settings_)));
  event_index_ = std::make_unique<DedupeEventIndex>(*dedupe_, *sources_);

  TRY_ASSIGN(http::EgressGuard guard, http::EgressGuard::Make(EgressOptionsOf(settings_)));
  egress_ = std::make_unique<http::EgressGuard>(std::move(guard));
  const std::string version(cli::Version());
  client_ = http::MakeCurlClient(deliver_loop_, *egress_, ClientOptionsOf(settings_, version));
  programs_ = destinations::JqPrograms::Make(
      ProgramOptionsOf(settings_), [this](const std::string& name, std::function<void()> body) {
        const std::lock_guard lock(program_workers_mutex_);
        program_workers_.push_back(std::make_unique<Worker>(name, std::move(body)));
      });
  matchers_ = destinations::MakeRouteMatchers(
      [sources = sources_.get()](std::string_view name) { return sources->IdOf(name); },
      programs_.get(),
      [sources = sources_.get()](std::string_view name) {
        return sources->current()->IdsOfName(name);
      });
  TRY_ASSIGN(attempts_, deliver::DeliveryLog::Open({.fs = &os::PosixFileSystem(),
                                                    .clock = &os::SystemClock(),
                                                    .executor = &attempt_loop_,
                                                    .metrics = &metrics_},
                                                   DeliveryLogOptionsOf(settings_)));
  TRY_ASSIGN(engine_, deliver::Engine::Open(
                          {.log = log_.get(),
                           .verdicts = dedupe_.get(),
                           .store = store_.get(),
                           .fs = &os::PosixFileSystem(),
                           .clock = &os::SystemClock(),
                           .random = &os::SystemRandom(),
                           .egress = egress_.get(),
                           .metrics = &metrics_,
                           .matchers = matchers_.get(),
                           .programs = programs_.get(),
                           .sealer = sealer_.get(),
                           .loops = {{.executor = &deliver_loop_, .client = client_.get()}},
                           .blocking = &file_loop_,
                           .reads = &read_loop_,
                           .attempts = attempts_.get()},
                          EngineOptionsOf(settings_, version, instance_)));
  return {};
}

Status Program::OpenDoors() {
  backups_ =
      std::make_unique<BackupRunner>(backup::BackupWorld{.fs = &os::PosixFileSystem(),
                                                         .clock = &os::SystemClock(),
                                                         .store = store_.get(),
                                                         .log = log_.get(),
                                                         .data_dir = settings_.data_dir,
                                                         .version = std::string(cli::Version()),
                                                         .wait = nullptr},
                                     os::SystemRandom());
  access_ = std::make_unique<control::Access>(TokensOf(settings_));
  reloader_ = std::make_unique<Reloader>(ReloadWorld{.fs = &os::PosixFileSystem(),
                                                     .blocking = &read_loop_,
                                                     .sources = sources_.get(),
                                                     .destinations = &engine_->declared(),
                                                     .access = access_.get(),
                                                     .egress = egress_.get()},
                                         input_, settings_);
  TRY_ASSIGN(config::ListenAddress address, config::ParseListen(settings_.listen));
  const DoorWorld world{.log = log_.get(),
                        .metrics = &metrics_,
                        .control = {.blocking = &read_loop_,
                                    .clock = &os::SystemClock(),
                                    .random = &os::SystemRandom(),
                                    .engine = engine_.get(),
                                    .log = log_.get(),
                                    .events = event_index_.get(),
                                    .verdicts = dedupe_.get(),
                                    .store = store_.get(),
                                    .metrics = &metrics_,
                                    .tails = &tails_,
                                    .registry = sources_.get(),
                                    .backups = backups_.get(),
                                    .configuration = reloader_.get(),
                                    .access = access_.get(),
                                    .journal = {.store = store_.get(),
                                                .audit = audit_.get(),
                                                .idempotency = idempotency_.get()},
                                    .accepting = &accepting_,
                                    .sync_mode = std::string(SyncModeName(settings_.sync)),
                                    .version = std::string(cli::Version())},
                        .access = access_.get(),
                        .settings = &settings_,
                        .instance = instance_};
  const unsigned count = DoorCount(settings_);
  for (unsigned i = 0; i < count; ++i) {
    doors_.push_back(std::make_unique<HttpDoor>(world));
    const auto use = i > 0       ? http::PortUse::kJoin
                     : count > 1 ? http::PortUse::kFirst
                                 : http::PortUse::kAlone;
    TRY(doors_.back()->Listen(address, use));
    address.port = doors_.front()->server().port();  // port 0 is chosen once, then shared
  }
  if (!settings_.admin.listen.empty()) {
    TRY_ASSIGN(const config::ListenAddress admin, config::ParseListen(settings_.admin.listen));
    TRY(doors_.front()->ListenAdmin(admin));
  }
  return {};
}

void Program::AddGauges() {
  const auto gauge = [this](std::string name, std::string help, std::function<double()> read) {
    metrics_.AddGauge(std::move(name), std::move(help), {}, std::move(read));
  };
  gauge("tributary_log_writable", "1 while events can be taken.",
        [this] { return log_->health().writable ? 1.0 : 0.0; });
  gauge("tributary_log_damaged_records", "Records found damaged since start.",
        [this] { return static_cast<double>(log_->health().damaged_records); });
  gauge("tributary_log_bytes", "Bytes of all segments on disk.",
        [this] { return static_cast<double>(log_->stats().bytes_on_disk); });
  gauge("tributary_log_segments", "Segments on disk.",
        [this] { return static_cast<double>(log_->stats().segments); });
  gauge("tributary_log_commits_total", "Group commits since start.",
        [this] { return static_cast<double>(log_->stats().commits); });
  gauge("tributary_log_records_total", "Records appended since start.",
        [this] { return static_cast<double>(log_->stats().records); });
  gauge("tributary_log_queued_bytes", "Bytes handed to the log and not yet durable.",
        [this] { return static_cast<double>(log_->stats().queued_bytes); });
  gauge("tributary_log_last_sync_seconds", "Duration of the last write and sync.",
        [this] { return static_cast<double>(log_->stats().last_sync_ns) / kNanosPerSecond; });
  gauge("tributary_resident_bytes", "Resident memory of the process.",
        [] { return static_cast<double>(os::ResidentBytes()); });
  gauge("tributary_open_descriptors", "Open file descriptors of the process.",
        [] { return static_cast<double>(os::OpenDescriptors()); });
}

void Program::Start() {
  log_worker_ = std::make_unique<Worker>("log", [this] {
    while (true) {
      while (log_->WriterStep()) {
      }
      if (log_->closed()) break;
      log_->WaitForWork();
    }
  });
  maintain_worker_ = std::make_unique<Worker>("maintain", [this] { RunMaintenance(); });
  dedupe_worker_ = std::make_unique<Worker>("dedupe", [this] {
    while (true) {
      while (dedupe_->Step()) {
      }
      if (dedupe_->closed()) break;
      dedupe_->WaitForWork();
    }
  });
  outcome_worker_ = std::make_unique<Worker>("outcomes", [this] {
    while (engine_->committer().WaitForWork()) {
      while (engine_->committer().Step()) {
      }
    }
  });
  file_worker_ = std::make_unique<Worker>("files", [this] { file_loop_.Run(); });
  read_worker_ = std::make_unique<Worker>("reads", [this] { read_loop_.Run(); });
  backup_worker_ = std::make_unique<Worker>("backups", [this] { backups_->Run(); });
  attempt_worker_ = std::make_unique<Worker>("attempts", [this] { attempt_loop_.Run(); });
  deliver_worker_ = std::make_unique<Worker>("deliver", [this] { deliver_loop_.Run(); });
  engine_->Start();
  accepting_ = true;
  for (std::size_t i = 0; i < doors_.size(); ++i) {
    door_workers_.push_back(std::make_unique<Worker>(
        "http-" + std::to_string(i), [door = doors_[i].get()] { door->loop().Run(); }));
  }
}

void Program::RunMaintenance() {
  RestTrim trim({.resident_bytes = os::ResidentBytes,
                 .after_start = os::ReleaseCodePages,
                 .trim = os::TrimHeap});
  std::uint64_t commits = 0;
  while (true) {
    const bool more = log_->MaintainStep();
    const std::uint64_t now = log_->stats().commits;
    const MonoNanos pause = more ? 0 : now != commits ? kBusyPause : kIdlePause;
    commits = now;
    trim.Round(pause != kIdlePause, os::SystemClock().Monotonic());
    if (!maintenance_pause_.Wait(pause)) return;
  }
}

std::string Program::address() const {
  const http::Server& server = doors_.front()->server();
  return "http://" + server.host() + ":" + std::to_string(server.port());
}

std::string Program::admin_address() const {
  const http::Server* server = doors_.front()->admin_server();
  if (server == nullptr) return {};
  return "http://" + server->host() + ":" + std::to_string(server->port());
}

void Program::Reload() {
  ReloadBySignal(*reloader_,
                 {.store = store_.get(), .audit = audit_.get(), .idempotency = idempotency_.get()},
                 read_loop_);
}

void Program::DrainDoors(MonoNanos deadline) {
  std::vector<std::promise<void>> drained(doors_.size());
  for (std::size_t i = 0; i < doors_.size(); ++i) {
    HttpDoor& door = *doors_[i];
    door.loop().Post(
        [&door, &promise = drained[i]] { door.Drain([&promise] { promise.set_value(); }); });
  }
  for (std::promise<void>& promise : drained) {
    const MonoNanos left = deadline - os::SystemClock().Monotonic();
    promise.get_future().wait_for(std::chrono::nanoseconds(left > 0 ? left : 0));
  }
  log_->Close();  // what is queued is written, synced and answered
  log_worker_->Join();
  for (auto& door : doors_) door->loop().Stop();
  for (auto& worker : door_workers_) worker->Join();
}

void Program::CloseDelivery(MonoNanos deadline) {
  std::promise<void> closed;
  engine_->Close(deadline, [&closed] { closed.set_value(); });
  closed.get_future().wait();
  outcome_worker_->Join();
}

// Their threads are started when the first program runs, so also by what is still under way.
void Program::StopPrograms() {
  if (programs_ == nullptr) return;
  programs_->Close();
  std::vector<std::unique_ptr<Worker>> workers;
  {
    const std::lock_guard lock(program_workers_mutex_);
    workers.swap(program_workers_);
  }
  for (const auto& worker : workers) worker->Join();
}

void Program::Stop() {
  accepting_ = false;
  backups_->Stop();
  const MonoNanos now = os::SystemClock().Monotonic();
  DrainDoors(now + kDoorDrainMax);
  backup_worker_->Join();
  CloseDelivery(os::SystemClock().Monotonic() + kDeliveryDrainMax);
  StopPrograms();
  deliver_loop_.Stop();
  file_loop_.Stop();
  read_loop_.Stop();
  attempt_loop_.Stop();
  deliver_worker_->Join();
  file_worker_->Join();
  read_worker_->Join();
  attempt_worker_->Join();
  const Status closed = attempts_->Close();
  if (!closed) LogWarn("delivery_log_not_closed", {{"error", closed.error().ToString()}});
  dedupe_->Close();
  dedupe_worker_->Join();
  maintenance_pause_.Stop();
  maintain_worker_->Join();
}

}  // namespace tributary::app
