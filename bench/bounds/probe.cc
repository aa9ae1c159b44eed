// The probe: what one core can do at best with a durable event collector. A plain epoll HTTP/1.1
// server; simdjson reads five fields of every event; the bodies of one loop turn go to a
// pre-written file with one write and one fdatasync; then every request of the turn gets a canned
// answer. It keeps no index, no framing, no offsets and delivers nothing, so a real server is
// compared with it, not expected to equal it.

#include <simdjson.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bench/support/clock.h"
#include "bench/support/die.h"
#include "bench/support/flags.h"
#include "bench/support/http_text.h"
#include "bench/support/loop.h"
#include "bench/support/prewritten_file.h"
#include "bench/support/socket.h"

namespace tributary::bench {
namespace {

namespace ondemand = simdjson::ondemand;

constexpr std::string_view kAccepted =
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n"
    "{\"success\":true}";
constexpr std::string_view kRefused =
    "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

constexpr char kUsage[] =
    "usage: bench_probe [--listen 127.0.0.1:0] [--file probe.dat] [--file-mib 1024]\n"
    "                   [--no-sync] [--no-parse]\n"
    "  --no-sync   writes and syncs nothing\n"
    "  --no-parse  does not read the JSON; with --no-sync only the canned answer is left";

struct Tally {
  uint64_t requests = 0;
  uint64_t events = 0;
  uint64_t syncs = 0;
  uint64_t field_bytes = 0;  // of the five fields: they are really read
};

// Reads the five fields that any collector needs. One pass in document order.
class EventParser {
 public:
  // False when the body is not JSON, or an event lacks one of the five.
  bool Read(const Request& request, Tally* tally) {
    ondemand::document document;
    const simdjson::padded_string_view json(request.body.data(), request.body.size(),
                                            request.body.size() + kBodyPadding);
    ondemand::object root;
    if (parser_.iterate(json).get(document) || document.get_object().get(root)) return false;
    return request.path == "/v1/batch" ? ReadBatch(root, tally) : ReadEvent(root, tally);
  }

 private:
  static bool ReadBatch(ondemand::object root, Tally* tally) {
    ondemand::array batch;
    if (root.find_field("batch").get_array().get(batch)) return false;
    for (auto element : batch) {
      ondemand::object event;
      if (element.get_object().get(event) || !ReadEvent(event, tally)) return false;
    }
    return true;
  }

  static bool ReadEvent(ondemand::object event, Tally* tally) {
    unsigned found = 0;
    for (auto field : event) {
      ondemand::raw_json_string key;
      if (field.key().get(key)) return false;
      const unsigned bit = FieldBit(key);
      if (bit == 0 || (found & bit) != 0) continue;
      std::string_view text;
      if (field.value().get_string().get(text)) return false;
      tally->field_bytes += text.size();
      found |= bit;
    }
    ++tally->events;
    return found == 0b11111;
  }

  static unsigned FieldBit(ondemand::raw_json_string key) {
    if (key == "type") return 1;
    if (key == "event") return 2;
    if (key == "messageId") return 4;
    if (key == "userId" || key == "anonymousId") return 8;
    return key == "timestamp" ? 16 : 0;
  }

  ondemand::parser parser_;
};

struct Options {
  bool sync = true;
  bool parse = true;
};

class Connection;

class Probe final : public Handler {
 public:
  Probe(Address address, Options options, PrewrittenFile* file)
      : options_(options), file_(file), listener_(Listen(&address)) {
    loop_.Add(listener_, EPOLLIN, this);
    AnnounceListening(address);
  }

  void OnEvents(uint32_t events) override;  // the listener
  bool Take(const Request& request);        // false: answer 400
  void Run();

  Loop& loop() { return loop_; }
  std::vector<Connection*>& touched() { return touched_; }
  const Tally& tally() const { return tally_; }

 private:
  void EndTurn();

  Options options_;
  PrewrittenFile* file_;
  int listener_;
  Loop loop_;
  EventParser parser_;
  Tally tally_;
  std::vector<iovec> to_append_;
  std::vector<Connection*> touched_;  // in this turn
  std::vector<std::unique_ptr<Connection>> connections_;
};

class Connection final : public Handler {
 public:
  Connection(int fd, Probe* probe) : fd_(fd), probe_(probe) {
    probe_->loop().Add(fd_, EPOLLIN, this);
  }
  ~Connection() override { close(fd_); }

  void OnEvents(uint32_t) override {
    probe_->touched().push_back(this);
    if (unsent_.empty()) Read();
  }

  // After the sync: sends what the turn has earned. False when the connection has ended.
  bool Answer() {
    for (; accepted_ > 0; --accepted_) unsent_ += kAccepted;
    if (refused_) unsent_ += kRefused;
    Send();
    reader_.Compact();
    return !closed_ && !refused_;
  }

 private:
  void Read() {
    closed_ = !reader_.Fill(fd_);
    Request request;
    Parsed parsed = Parsed::kWhole;
    while ((parsed = reader_.Next(&request)) == Parsed::kWhole && probe_->Take(request)) {
      ++accepted_;
    }
    refused_ = parsed != Parsed::kNeedMore;
  }

  void Send() {
    if (unsent_.empty()) return;
    const ssize_t sent = send(fd_, unsent_.data(), unsent_.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) closed_ = true;
    const bool was_waiting = waits_to_send_;
    unsent_.erase(0, sent > 0 ? static_cast<size_t>(sent) : 0);
    waits_to_send_ = !unsent_.empty();
    if (was_waiting == waits_to_send_) return;
    probe_->loop().Change(fd_, waits_to_send_ ? EPOLLOUT : EPOLLIN, this);
  }

  int fd_;
  Probe* probe_;
  RequestReader reader_;
  std::string unsent_;
  unsigned accepted_ = 0;
  bool refused_ = false;
  bool closed_ = false;
  bool waits_to_send_ = false;
};

void Probe::OnEvents(uint32_t) {
  for (int fd = Accept(listener_); fd >= 0; fd = Accept(listener_)) {
    connections_.push_back(std::make_unique<Connection>(fd, this));
  }
}

bool Probe::Take(const Request& request) {
  if (options_.parse && !parser_.Read(request, &tally_)) return false;
  if (options_.sync) {
    to_append_.push_back({const_cast<char*>(request.body.data()), request.body.size()});
  }
  ++tally_.requests;
  return true;
}

void Probe::EndTurn() {
  if (!to_append_.empty()) {
    file_->Append(to_append_);
    file_->Sync();
    ++tally_.syncs;
    to_append_.clear();
  }
  for (Connection* connection : touched_) {
    if (connection->Answer()) continue;
    std::erase_if(connections_, [&](const auto& owned) { return owned.get() == connection; });
  }
  touched_.clear();
}

void Probe::Run() {
  while (!StopAsked()) {
    if (loop_.Turn(kNsPerSecond)) EndTurn();
  }
  close(listener_);
}

int Main(int argc, char** argv) {
  Flags flags(argc, argv, kUsage);
  const Address address = ParseAddress(flags.Text("listen", "127.0.0.1:0"));
  const std::string path = flags.Text("file", "probe.dat");
  const int64_t file_mib = flags.Count("file-mib", 1024, 1);
  const Options options{.sync = !flags.Switch("no-sync"), .parse = !flags.Switch("no-parse")};
  flags.Done();
  CatchStopSignals();
  std::optional<PrewrittenFile> file;
  if (options.sync) file.emplace(path, static_cast<uint64_t>(file_mib) << 20);
  Probe probe(address, options, file ? &*file : nullptr);
  probe.Run();
  const Tally& tally = probe.tally();
  std::printf("{\"requests\":%lu,\"events\":%lu,\"syncs\":%lu,\"field_bytes\":%lu}\n",
              tally.requests, tally.events, tally.syncs, tally.field_bytes);
  return 0;
}

}  // namespace
}  // namespace tributary::bench

int main(int argc, char** argv) {
  return tributary::bench::Main(argc, argv);
}
