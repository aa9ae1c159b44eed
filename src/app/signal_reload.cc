#include "app/signal_reload.h"

#include "base/logging.h"

namespace tributary::app {
namespace {

using control::AuditLog;
using control::AuditRecord;
using control::Configuration;
using control::Journal;

void Write(const Journal& journal, const store::Batch& batch, store::Sync sync) {
  const Status written = journal.store->Write(batch, sync);
  if (!written) LogWarn("reload_not_recorded", {{"reason", written.error().message()}});
}

void Record(const Journal& journal, AuditLog::Place place, AuditRecord record,
            const Configuration::Answer& answer) {
  store::Batch batch;
  if (answer.status >= 400 && answer.status < 500) {
    journal.audit->Drop(place, batch);
  } else {
    record.status = answer.status;
    record.after = control::Redacted(answer.json);
    journal.audit->End(place, record, batch);
  }
  Write(journal, batch, store::Sync::kYes);
}

}  // namespace

void ReloadBySignal(Configuration& configuration, const Journal& journal, os::Executor& blocking) {
  blocking.Post([&configuration, journal, &blocking] {
    AuditRecord record;
    record.who = "signal";
    record.action = "SIGHUP";
    store::Batch batch;
    const AuditLog::Place place = journal.audit->Begin(record, batch);
    Write(journal, batch, store::Sync::kNo);
    configuration.Reload(
        [journal, place, record = std::move(record), &blocking](Configuration::Answer answer) {
          blocking.Post([journal, place, record, answer = std::move(answer)] {
            Record(journal, place, record, answer);
          });
        });
  });
}

}  // namespace tributary::app
