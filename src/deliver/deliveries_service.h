// The deliveries of an engine.
#pragma once

#include <string>

#include "deliver/deliveries.h"
#include "deliver/deliveries_search.h"

namespace tributary::deliver {

class DeliveriesService final : public Deliveries {
 public:
  explicit DeliveriesService(DeliveriesWorld world) : world_(std::move(world)) {}
  void List(DeliveryQuery query, Engine::Done<Page> done) override;
  void Get(std::string id, Engine::Done<DeliveryEntry> done) override;

 private:
  static void GetNow(const DeliveriesWorld& world, const DeliveryPlace& place,
                     Engine::Done<DeliveryEntry> done);
  const DeliveriesWorld world_;
};

}  // namespace tributary::deliver
