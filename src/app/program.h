// The whole program as objects: Build() makes the graph in the order of dependencies, Run() starts
// its threads, Stop() ends them in the order in which an event passes through.
//
// Threads (all started here):
//   main        signals
//   http-N      sockets, sources, control handlers       one per core
//   log         group commit                             owns the active segment and its sync
//   maintain    next segments, recompression, retention
//   dedupe      verdicts and the message-id index
//   deliver     lanes and the HTTP client
//   outcomes    makes outcomes and changes durable
//   files       what `file` destinations write           may block
//   reads       store and index reads for the API        may block
//   backups     backups of this directory                may block
//   programs    speak to the processes that run filters and mappings; from the first program on
//   attempts    writes and merges the delivery log       may block
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "app/backup_runner.h"
#include "app/event_index.h"
#include "app/http_door.h"
#include "app/pause.h"
#include "app/reload.h"
#include "app/worker.h"
#include "config/settings.h"
#include "dedupe/dedupe.h"
#include "deliver/delivery_log.h"
#include "deliver/engine.h"
#include "destinations/jq_programs.h"
#include "log/open.h"
#include "metrics/registry.h"
#include "store/data_dir.h"
#include "store/store.h"

namespace tributary::app {

class Program {
 public:
  // Opens and recovers everything, binds the sockets; accepts nothing yet.
  // `input` is what the settings were read from, for reloads.
  static Result<std::unique_ptr<Program>> Build(config::Settings settings, config::LoadInput input);
  ~Program();

  // Starts the threads and returns; requests are answered from now on.
  void Start();
  // "http://127.0.0.1:8080", as bound.
  std::string address() const;
  std::string admin_address() const;  // empty without admin.listen

  // Reads the configuration file again; any thread. What comes of it is logged.
  void Reload();

  // Drains and ends all threads; at most about 9 s. Call once, from the thread that built it.
  void Stop();

 private:
  Program(config::Settings settings, config::LoadInput input);
  Status OpenData();
  Status OpenStages();
  Status OpenDoors();
  void AddGauges();
  void StopPrograms();
  void RunMaintenance();
  void DrainDoors(MonoNanos deadline);
  void CloseDelivery(MonoNanos deadline);

  config::Settings settings_;  // as at the start
  config::LoadInput input_;
  const std::string instance_;  // of this process: its notices carry it
  metrics::Registry metrics_;
  std::atomic<bool> accepting_{false};
  std::atomic<std::size_t> tails_{0};

  store::DataDir data_dir_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<codec::Sealer> sealer_;
  std::unique_ptr<control::AuditLog> audit_;
  std::unique_ptr<control::Idempotency> idempotency_;
  std::unique_ptr<log::SegmentedLog> log_;
  std::shared_ptr<dedupe::Dedupe> dedupe_;
  std::unique_ptr<control::SourceRegistry> sources_;
  std::unique_ptr<DedupeEventIndex> event_index_;

  os::AsioLoop deliver_loop_;
  os::AsioLoop file_loop_;
  os::AsioLoop read_loop_;
  os::AsioLoop attempt_loop_;
  std::unique_ptr<http::EgressGuard> egress_;
  std::unique_ptr<http::Client> client_;
  std::unique_ptr<destinations::JqPrograms> programs_;
  std::unique_ptr<deliver::MatcherFactory> matchers_;
  std::unique_ptr<deliver::DeliveryLog> attempts_;
  std::unique_ptr<deliver::Engine> engine_;
  std::unique_ptr<BackupRunner> backups_;
  std::unique_ptr<control::Access> access_;
  std::unique_ptr<Reloader> reloader_;
  std::vector<std::unique_ptr<HttpDoor>> doors_;

  std::mutex program_workers_mutex_;
  std::vector<std::unique_ptr<Worker>> program_workers_;
  Pause maintenance_pause_;
  std::vector<std::unique_ptr<Worker>> door_workers_;
  std::unique_ptr<Worker> log_worker_, maintain_worker_, dedupe_worker_, deliver_worker_,
      outcome_worker_, file_worker_, read_worker_, backup_worker_, attempt_worker_;
};

}  // namespace tributary::app
