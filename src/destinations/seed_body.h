// The body that the seed's two destination types send (collection-api.md section 11): events that
// came by POST /track in the seed's own form, all others as the event's JSON.
#pragma once

#include <string>

#include "event/seed_form.h"
#include "log/record.h"

namespace tributary::destinations {

inline std::string SeedBody(const log::RecordView& record) {
  if ((record.fields.flags & log::kFlagSeedForm) != 0) return event::SeedForm(record.payload);
  return std::string(record.payload);
}

}  // namespace tributary::destinations
