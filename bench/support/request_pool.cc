#include "bench/support/request_pool.h"

#include <sys/random.h>

#include <algorithm>
#include <cstring>

#include "bench/support/die.h"

namespace tributary::bench {
namespace {

std::string Base64(std::string_view text) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t at = 0; at < text.size(); at += 3) {
    uint32_t bits = 0;
    for (size_t i = 0; i < 3; ++i) {
      bits = bits << 8 | (at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0u);
    }
    for (size_t i = 0; i < 4; ++i) {
      out += at + i <= text.size() ? kDigits[(bits >> (18 - 6 * i)) & 63] : '=';
    }
  }
  return out;
}

uint64_t TrueRandom() {
  uint64_t value = 0;
  if (getrandom(&value, sizeof value, 0) != sizeof value) DieErrno("getrandom");
  return value;
}

void Patch(std::string& bytes, const std::vector<uint32_t>& places, std::string_view text) {
  for (const uint32_t place : places) std::memcpy(&bytes[place], text.data(), text.size());
}

// Records where an event that is about to be appended to `request` has its moving parts.
void NotePlaces(const EventTemplate& event, PooledRequest* request) {
  const size_t base = request->bytes.size();
  request->message_ids.push_back(static_cast<uint32_t>(base + event.message_id_at));
  request->timestamps.push_back(static_cast<uint32_t>(base + event.timestamp_at));
  if (event.sent_at_at != 0) {
    request->sent_ats.push_back(static_cast<uint32_t>(base + event.sent_at_at));
  }
}

}  // namespace

RandomIds::RandomIds() : random_(TrueRandom()) {}

void RandomIds::Write(char* out, int64_t) {
  const uint64_t high = random_.Next();
  WriteUuid(high, random_.Next(), out);
}

RequestPool::RequestPool(const Options& options, const Address& server, MessageIds* ids)
    : server_(server.Text()),
      authorization_(Base64(options.write_key + ":")),
      ids_(ids),
      events_per_request_(std::max<size_t>(options.batch, 1)) {
  const size_t requests =
      std::max(kEventsAtLeast / events_per_request_, options.connections * kSparePerConnection);
  Random random(options.seed);
  const std::vector<EventTemplate> events =
      MakeEvents(requests * events_per_request_,
                 options.batch == 0 ? SentAt::kInEvent : SentAt::kInEnvelope, random);
  for (size_t i = 0; i < requests; ++i) {
    const EventTemplate* first = &events[i * events_per_request_];
    owned_.push_back(std::make_unique<PooledRequest>(
        options.batch == 0 ? MakeSingle(*first) : MakeBatch(first, options.batch)));
    idle_.push_back(owned_.back().get());
  }
}

std::string RequestPool::Head(std::string_view path, size_t body_bytes) const {
  return "POST " + std::string(path) + " HTTP/1.1\r\nHost: " + server_ +
         "\r\nUser-Agent: tributary-bench\r\nAuthorization: Basic " + authorization_ +
         "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body_bytes) +
         "\r\n\r\n";
}

PooledRequest RequestPool::MakeSingle(const EventTemplate& event) const {
  PooledRequest request;
  request.bytes = Head("/v1/track", event.json.size());
  NotePlaces(event, &request);
  request.bytes += event.json;
  return request;
}

PooledRequest RequestPool::MakeBatch(const EventTemplate* events, size_t count) const {
  constexpr std::string_view kOpen = "{\"batch\":[";
  constexpr std::string_view kSentAt = "],\"sentAt\":\"";
  constexpr std::string_view kClose = "\"}";
  size_t body = kOpen.size() + kSentAt.size() + WallStamp::kBytes + kClose.size() + count - 1;
  for (size_t i = 0; i < count; ++i) body += events[i].json.size();
  PooledRequest request;
  request.bytes = Head("/v1/batch", body);
  request.bytes.reserve(request.bytes.size() + body);
  request.bytes += kOpen;
  for (size_t i = 0; i < count; ++i) {
    if (i > 0) request.bytes += ',';
    NotePlaces(events[i], &request);
    request.bytes += events[i].json;
  }
  request.bytes += kSentAt;
  request.sent_ats.push_back(static_cast<uint32_t>(request.bytes.size()));
  request.bytes.append(WallStamp::kBytes, '0');
  request.bytes += kClose;
  return request;
}

PooledRequest* RequestPool::Take(int64_t started_ns) {
  if (idle_.empty()) Die("the request pool is smaller than what is in flight");
  PooledRequest* request = idle_.front();
  idle_.pop_front();
  const std::string_view now = wall_.Now();
  Patch(request->bytes, request->timestamps, now);
  Patch(request->bytes, request->sent_ats, now);
  for (const uint32_t place : request->message_ids) {
    ids_->Write(&request->bytes[place], started_ns);
  }
  return request;
}

}  // namespace tributary::bench
