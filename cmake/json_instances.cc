#include "pch_json.h"

TRIBUTARY_JSON(, nlohmann::json)
TRIBUTARY_JSON(, nlohmann::ordered_json)
