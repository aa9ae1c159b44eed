// The event's own word on who is to get it: Segment's `integrations` object (rule.h has the rules).
// Pure functions; any thread.
#pragma once

#include <string_view>

#include "event/json_document.h"

namespace tributary::route {

// Whether it is worth reading the event for it: nearly none has one. Letters can be written as
// \uXXXX only, so a text with neither does not have it.
bool MentionsIntegrations(std::string_view payload);

// `event`: any JSON value. Of repeated fields the last one counts. Names and `All` are looked for
// as they are written (collection-api.md section 9), types without regard to case.
bool ExcludedByIntegrations(const event::JsonValue& event, std::string_view name,
                            std::string_view type);

}  // namespace tributary::route
