// The body that the seed's two destination types send (collection-api.md section 11): events that
// came by POST /track in the seed's own form, all others, and what a mapping made, as it is.
#pragma once

#include <string>

#include "deliver/destination.h"
#include "event/seed_form.h"

namespace tributary::destinations {

inline std::string SeedBody(const deliver::Delivery& delivery) {
  const bool seed_form = (delivery.record->fields.flags & log::kFlagSeedForm) != 0;
  if (seed_form && !delivery.mapped) return event::SeedForm(delivery.body);
  return std::string(delivery.body);
}

}  // namespace tributary::destinations
