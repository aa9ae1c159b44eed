#pragma once
#include "pch_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
