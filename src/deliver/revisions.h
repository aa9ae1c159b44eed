// The history of a destination: every specification that it had, who gave it and when, and the way
// back to one of them.
//
// A revision is stored in the batch that makes it, whole, with its secrets sealed; the newest
// kRevisionsKeptMax are kept. When a destination is deleted, so is its history.
//
// Threads, errors and durability as engine.h says: Revert is a change like any other.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tributary::deliver {

inline constexpr std::uint32_t kRevisionsKeptMax = 100;  // of one destination

class Revisions {
 public:
  virtual ~Revisions() = default;

  struct Page {
    std::vector<std::string> data;  // newest first
    std::optional<std::string> next_cursor;
  };
  // {"revision","at","who","changed":[names of options],"from":[offset of each partition from which
  // a new rule counts]|null,"spec":{…, secrets as "***"}}. May block.
  virtual Result<Page> List(std::string_view destination, std::string_view cursor,
                            std::size_t limit) const = 0;
  virtual Result<std::string> Get(std::string_view destination, std::uint32_t revision) const = 0;

  // A new revision that is equal to the old one, secrets included; answers with the destination.
  // kConflict when its secrets cannot be opened.
  virtual void Revert(std::string destination, std::uint32_t revision, std::string who,
                      std::move_only_function<void(Result<std::string>)> done) = 0;
};

}  // namespace tributary::deliver
