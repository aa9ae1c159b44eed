// The room behind revisions.h. Inside deliver/ only.
#pragma once

#include <string>
#include <string_view>

#include "deliver/revisions.h"
#include "deliver/spec.h"
#include "deliver/stored.h"
#include "store/store.h"

namespace tributary::deliver {

class EngineImpl;
struct Entry;

class RevisionTable final : public Revisions {
 public:
  explicit RevisionTable(EngineImpl& engine) : engine_(engine) {}

  // Adds a revision to the batch that makes it. `before`: nullptr for the first.
  void Put(store::Batch& batch, DestinationId id, std::uint32_t revision, const Spec* before,
           const Spec& now, const std::string& who) const;
  // A destination of the first version has no history: it begins with what it is now.
  Status PutFirst(store::Batch& batch, const Entry& entry) const;

  Result<Page> List(std::string_view destination, std::string_view cursor,
                    std::size_t limit) const override;
  Result<std::string> Get(std::string_view destination, std::uint32_t revision) const override;
  void Revert(std::string destination, std::uint32_t revision, std::string who,
              std::move_only_function<void(Result<std::string>)> done) override;

 private:
  Result<DestinationId> IdOf(std::string_view destination) const;
  Result<std::string> Text(DestinationId id, std::uint32_t revision, std::string_view value) const;
  Result<Spec> SpecOf(DestinationId id, std::uint32_t revision, const Spec& now) const;

  EngineImpl& engine_;
};

}  // namespace tributary::deliver
