// For tests of destinations: a world in which requests go nowhere and time stands still.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>

#include "deliver/engine.h"
#include "os/fs.h"
#include "support/manual_executor.h"
#include "support/temp_dir.h"

namespace tributary::destinations::test {

using nlohmann::json;
using tributary::test::ManualExecutor;
using tributary::test::TempDir;

class FakeClient final : public http::Client {
 public:
  Id Send(http::ClientRequest request, Done done) override {
    requests.push_back(std::move(request));
    dones[++last_] = std::move(done);
    return last_;
  }
  void Cancel(Id id) override { canceled += dones.erase(id); }
  std::size_t in_flight() const override { return dones.size(); }
  void Answer(Id id, http::ClientResponse response) {
    auto node = dones.extract(id);
    node.mapped()(std::move(response));
  }
  void Answer(Id id, int status) { Answer(id, {.status = status}); }
  std::vector<http::ClientRequest> requests;
  std::map<Id, Done> dones;
  std::size_t canceled = 0;

 private:
  Id last_ = 0;
};

class FixedClock final : public os::Clock {
 public:
  UnixMicros Now() const override { return 1'614'265'330LL * kMicrosPerSecond; }
  MonoNanos Monotonic() const override { return 1; }
};

struct World {
  World() : root(dir.path() + "/files") {}

  Status Check(const std::string& type, const json& options,
               const http::EgressGuard* egress = nullptr) {
    auto read = Read(type, options);
    if (!read) return std::unexpected(read.error());
    return deliver::FindType(type)->check(read->get(), {.egress = egress});
  }
  Result<std::shared_ptr<void>> Read(const std::string& type, const json& options) {
    const deliver::DestinationType* found = deliver::FindType(type);
    auto out = found->copy_options(nullptr);
    TRY(config::ReadObject(found->specs(), options, out.get()));
    return out;
  }
  std::shared_ptr<deliver::Destination> Make(const std::string& type, const json& options,
                                             const std::string& name = "my dest/1") {
    auto read = Read(type, options);
    EXPECT_TRUE(read.has_value());
    return deliver::FindType(type)->make(read->get(), {.loop = &loop,
                                                       .client = &client,
                                                       .blocking = &loop,
                                                       .fs = &os::PosixFileSystem(),
                                                       .clock = &clock,
                                                       .name = name,
                                                       .files_root = root,
                                                       .user_agent = "Tributary/1",
                                                       .timeout_ns = 3 * kNanosPerSecond});
  }
  void Deliver(deliver::Destination& destination, const std::string& payload,
               std::uint8_t flags = 0) {
    const log::RecordView record{.fields = {.flags = flags}, .payload = payload};
    destination.Deliver(
        {.record = &record,
         .body = record.payload,
         .webhook_id = "msg_p5jXN8AQM9LWM0D4loKWxJek",
         .now_us = clock.Now()},
        [this](deliver::Outcome outcome) { outcomes.push_back(std::move(outcome)); });
  }
  std::string Header(std::size_t request, const std::string& name) const {
    for (const auto& [n, v] : client.requests.at(request).headers) {
      if (n == name) return v;
    }
    return "(none)";
  }
  std::string FileText(const std::string& path) const {
    return os::ReadFile(os::PosixFileSystem(), root + "/" + path, 1 << 20).value_or("(no file)");
  }

  TempDir dir;
  std::string root;
  ManualExecutor loop;
  FakeClient client;
  FixedClock clock;
  std::vector<deliver::Outcome> outcomes;
};

inline std::string FieldOf(const Status& status) {
  return status ? "accepted" : status.error().field();
}

}  // namespace tributary::destinations::test
