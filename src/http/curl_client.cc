#include <unordered_map>

#include "http/client.h"
#include "http/curl_driver.h"
#include "http/curl_transfer.h"

namespace tributary::http {
namespace {

// How often requests that wait for a connection are compared with their deadlines: curl watches
// only those that have one.
constexpr MonoNanos kSweepNanos = 100 * kNanosPerMilli;
// A name that did not resolve is not looked up again for this long (RELIABILITY.md C6).
constexpr MonoNanos kUnresolvedNanos = kNanosPerSecond;
// URLs and names remembered; past it everything is forgotten, which costs a little time only.
constexpr std::size_t kRememberedMax = 1024;

struct Verdict {
  Failure failure = Failure::kNone;
  std::string error;
  std::string host;
  bool https = false;
};

// Of a URL that the guard has accepted: its form is then the plain one.
std::string HostOf(std::string_view url) {
  std::string_view rest = url.substr(url.find("://") + 3);
  rest = rest.substr(0, rest.find_first_of("/?#"));
  if (rest.starts_with('[')) return std::string(rest.substr(1, rest.find(']') - 1));
  return std::string(rest.substr(0, rest.find(':')));
}

class CurlClient final : public Client {
 public:
  CurlClient(os::AsioLoop& loop, const EgressGuard& guard, const ClientOptions& options)
      : loop_(loop),
        guard_(guard),
        options_(options),
        driver_(loop, [this] { CollectFinished(); }) {
    const auto set = [this](CURLMoption option, std::size_t value) {
      curl_multi_setopt(driver_.multi(), option, static_cast<long>(value));
    };
    set(CURLMOPT_MAX_TOTAL_CONNECTIONS, options.connections_max);
    set(CURLMOPT_MAX_HOST_CONNECTIONS, options.connections_per_host_max);
    set(CURLMOPT_MAXCONNECTS, options.connections_max);
  }

  ~CurlClient() override {
    if (sweep_timer_ != 0) loop_.Cancel(sweep_timer_);
    for (const auto& transfer : transfers_) {
      if (transfer->in_curl) curl_multi_remove_handle(driver_.multi(), transfer->easy());
    }
    transfers_.clear();
  }

  Id Send(ClientRequest request, Done done) override {
    CurlTransfer& transfer = Take();
    transfer.done = std::move(done);
    transfer.started_ns = loop_.Now();
    transfer.deadline_ns = transfer.started_ns + request.timeout_ns;
    const Verdict& verdict = Judge(request.url);
    if (verdict.failure != Failure::kNone) {
      FailSoon(transfer, verdict.failure, verdict.error);
    } else if (IsUnresolved(verdict.host, transfer.started_ns)) {
      FailSoon(transfer, Failure::kNotFound, "the name " + verdict.host + " does not resolve");
    } else if (!transfer.Prepare(std::move(request), verdict.host, verdict.https)) {
      FailSoon(transfer, Failure::kOther, "a header or the method has a control character");
    } else {
      transfer.in_curl = true;
      curl_multi_add_handle(driver_.multi(), transfer.easy());
    }
    if (sweep_timer_ == 0) sweep_timer_ = loop_.At(loop_.Now() + kSweepNanos, [this] { Sweep(); });
    return IdOf(transfer);
  }

  void Cancel(Id id) override {
    CurlTransfer* const transfer = Find(id);
    if (transfer != nullptr) GiveBack(*transfer);
  }

  std::size_t in_flight() const override { return transfers_.size() - free_.size(); }

 private:
  static Id IdOf(const CurlTransfer& transfer) {
    return Id{transfer.generation} << 32 | transfer.index;
  }

  CurlTransfer* Find(Id id) {
    const auto index = static_cast<std::uint32_t>(id);
    if (index >= transfers_.size()) return nullptr;
    CurlTransfer* const transfer = transfers_[index].get();
    return transfer->active && transfer->generation == id >> 32 ? transfer : nullptr;
  }

  CurlTransfer& Take() {
    if (free_.empty()) {
      transfers_.push_back(std::make_unique<CurlTransfer>(driver_, guard_, options_));
      transfers_.back()->index = static_cast<std::uint32_t>(transfers_.size() - 1);
      free_.push_back(transfers_.back().get());
    }
    CurlTransfer* const transfer = free_.back();
    free_.pop_back();
    transfer->active = true;
    ++transfer->generation;
    return *transfer;
  }

  void GiveBack(CurlTransfer& transfer) {
    if (std::exchange(transfer.in_curl, false)) {
      curl_multi_remove_handle(driver_.multi(), transfer.easy());
    }
    transfer.active = false;
    transfer.Forget();
    free_.push_back(&transfer);
  }

  const Verdict& Judge(const std::string& url) {
    if (const auto found = verdicts_.find(url); found != verdicts_.end()) return found->second;
    if (verdicts_.size() >= kRememberedMax) verdicts_.clear();
    Verdict verdict;
    if (const Status status = guard_.JudgeUrl(url); !status) {
      verdict.failure =
          status.error().code() == ErrorCode::kDenied ? Failure::kBlocked : Failure::kInvalidUrl;
      verdict.error = status.error().message();
    } else {
      verdict.host = HostOf(url);
      verdict.https = url.size() > 4 && (url[4] | 0x20) == 's';
    }
    return verdicts_.emplace(url, std::move(verdict)).first->second;
  }

  bool IsUnresolved(const std::string& host, MonoNanos now_ns) {
    if (unresolved_until_.empty()) return false;
    const auto found = unresolved_until_.find(host);
    return found != unresolved_until_.end() && now_ns < found->second;
  }

  // Never inside Send: its caller does not have the id yet.
  void FailSoon(CurlTransfer& transfer, Failure failure, std::string error) {
    loop_.Post([this, alive = std::weak_ptr(alive_), id = IdOf(transfer), failure,
                text = std::move(error)]() mutable {
      if (alive.expired()) return;
      if (CurlTransfer* const found = Find(id)) {
        Complete(*found, {.failure = failure, .error = std::move(text)});
      }
    });
  }

  void Complete(CurlTransfer& transfer, ClientResponse response) {
    response.duration_ns = loop_.Now() - transfer.started_ns;
    Done done = std::move(transfer.done);
    GiveBack(transfer);
    done(std::move(response));
  }

  void RememberUnresolved(const std::string& host) {
    if (unresolved_until_.size() >= kRememberedMax) unresolved_until_.clear();
    const MonoNanos now_ns = loop_.Now();
    MonoNanos& until = unresolved_until_[host];
    if (until <= now_ns) until = now_ns + kUnresolvedNanos;
  }

  void CollectFinished() {
    int left = 0;
    while (CURLMsg* const message = curl_multi_info_read(driver_.multi(), &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      void* transfer = nullptr;
      const CURLcode result = message->data.result;
      curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
      auto& finished = *static_cast<CurlTransfer*>(transfer);
      if (result == CURLE_COULDNT_RESOLVE_HOST) RememberUnresolved(finished.host());
      Complete(finished, finished.Finish(result));
    }
  }

  void Sweep() {
    sweep_timer_ = 0;
    const MonoNanos now_ns = loop_.Now();
    for (std::size_t i = 0; i < transfers_.size(); ++i) {  // may grow: callbacks send again
      CurlTransfer& transfer = *transfers_[i];
      if (!transfer.active || !transfer.in_curl) continue;
      if (now_ns < transfer.deadline_ns + kSweepNanos) continue;
      Complete(transfer, transfer.Finish(CURLE_OPERATION_TIMEDOUT));
    }
    if (in_flight() > 0) sweep_timer_ = loop_.At(now_ns + kSweepNanos, [this] { Sweep(); });
  }

  os::AsioLoop& loop_;
  const EgressGuard& guard_;
  const ClientOptions options_;
  CurlDriver driver_;
  std::vector<std::unique_ptr<CurlTransfer>> transfers_;  // all; at most as many as ever at once
  std::vector<CurlTransfer*> free_;
  std::unordered_map<std::string, Verdict> verdicts_;
  std::unordered_map<std::string, MonoNanos> unresolved_until_;
  os::Executor::TimerId sweep_timer_ = 0;
  std::shared_ptr<int> alive_ = std::make_shared<int>();
};

}  // namespace

std::string_view FailureName(Failure failure) {
  switch (failure) {
    case Failure::kNone:
      return "";
    case Failure::kTimeout:
      return "ETIMEDOUT";
    case Failure::kRefused:
      return "EREFUSED";
    case Failure::kReset:
      return "ECONNRESET";
    case Failure::kNotFound:
      return "ENOTFOUND";
    case Failure::kTls:
      return "ETLS";
    case Failure::kBlocked:
      return "blocked_address";
    case Failure::kInvalidUrl:
      return "invalid_url";
    case Failure::kOther:
      break;
  }
  return "EOTHER";
}

std::unique_ptr<Client> MakeCurlClient(os::AsioLoop& loop, const EgressGuard& guard,
                                       const ClientOptions& options) {
  return std::make_unique<CurlClient>(loop, guard, options);
}

}  // namespace tributary::http
