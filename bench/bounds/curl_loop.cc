// What libcurl can deliver at best on one core: a bare multi loop (socket action on epoll) that
// POSTs one body of a given size, N times, with W requests in flight and keep-alive. Prints JSON.
// Only 2xx answers count; anything else stops the program, as its figure would be of something
// else.

#include <curl/curl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "bench/support/clock.h"
#include "bench/support/die.h"
#include "bench/support/flags.h"
#include "bench/support/report.h"

namespace tributary::bench {
namespace {

constexpr char kUsage[] =
    "usage: bench_curl_loop --url URL [--requests 100000] [--size 843] [--window 64]";

void Check(CURLMcode code, const char* what) {
  if (code != CURLM_OK) Die(std::string(what) + ": " + curl_multi_strerror(code));
}

size_t DropBody(char*, size_t size, size_t count, void*) {
  return size * count;
}

class CurlLoop {
 public:
  CurlLoop(std::string url, size_t body_bytes, size_t window)
      : url_(std::move(url)),
        body_("{\"text\":\"" + std::string(std::max<size_t>(body_bytes, 12) - 11, 'x') + "\"}"),
        epoll_(epoll_create1(EPOLL_CLOEXEC)),
        multi_(curl_multi_init()) {
    headers_ = curl_slist_append(headers_, "Content-Type: application/json");
    headers_ = curl_slist_append(headers_, "Expect:");
    curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, OnSocket);
    curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
    curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, OnTimer);
    curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
    curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, static_cast<long>(window));
    for (size_t i = 0; i < window; ++i) idle_.push_back(MakeEasy());
  }

  ~CurlLoop() {
    for (CURL* easy : idle_) curl_easy_cleanup(easy);
    curl_multi_cleanup(multi_);
    curl_slist_free_all(headers_);
    close(epoll_);
  }

  void Run(uint64_t requests) {
    while (done_ < requests) {
      for (; started_ < requests && !idle_.empty(); ++started_) {
        CURL* easy = idle_.back();
        idle_.pop_back();
        Check(curl_multi_add_handle(multi_, easy), "curl_multi_add_handle");
      }
      Turn();
      Collect();
    }
  }

 private:
  CURL* MakeEasy() {
    CURL* easy = curl_easy_init();
    curl_easy_setopt(easy, CURLOPT_URL, url_.c_str());
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body_.data());
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, static_cast<long>(body_.size()));
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers_);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, DropBody);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    return easy;
  }

  static int OnSocket(CURL*, curl_socket_t socket, int what, void* self, void* known) {
    return static_cast<CurlLoop*>(self)->Watch(socket, what, known != nullptr);
  }

  int Watch(curl_socket_t socket, int what, bool known) {
    epoll_event event{};
    event.data.fd = socket;
    if ((what & CURL_POLL_IN) != 0) event.events |= EPOLLIN;
    if ((what & CURL_POLL_OUT) != 0) event.events |= EPOLLOUT;
    if (what == CURL_POLL_REMOVE) return epoll_ctl(epoll_, EPOLL_CTL_DEL, socket, nullptr) & 0;
    if (epoll_ctl(epoll_, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, socket, &event) != 0) return -1;
    if (!known) curl_multi_assign(multi_, socket, this);
    return 0;
  }

  static int OnTimer(CURLM*, long timeout_ms, void* self) {
    static_cast<CurlLoop*>(self)->timeout_ms_ = timeout_ms;
    return 0;
  }

  void Turn() {
    epoll_event events[256];
    const int wait_ms = timeout_ms_ < 0 ? 1000 : static_cast<int>(std::min(timeout_ms_, 1000L));
    const int ready = epoll_wait(epoll_, events, 256, wait_ms);
    int running = 0;
    if (ready == 0) {
      timeout_ms_ = -1;
      Check(curl_multi_socket_action(multi_, CURL_SOCKET_TIMEOUT, 0, &running), "timeout");
    }
    for (int i = 0; i < ready; ++i) {
      int what = 0;
      if ((events[i].events & EPOLLIN) != 0) what |= CURL_CSELECT_IN;
      if ((events[i].events & EPOLLOUT) != 0) what |= CURL_CSELECT_OUT;
      if ((events[i].events & (EPOLLERR | EPOLLHUP)) != 0) what |= CURL_CSELECT_ERR;
      Check(curl_multi_socket_action(multi_, events[i].data.fd, what, &running), "socket action");
    }
  }

  void Collect() {
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
      CURL* easy = message->easy_handle;
      const CURLcode result = message->data.result;
      if (result != CURLE_OK) Die(std::string("a request failed: ") + curl_easy_strerror(result));
      long status = 0;
      curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
      if (status < 200 || status > 299) Die("answered " + std::to_string(status));
      Check(curl_multi_remove_handle(multi_, easy), "curl_multi_remove_handle");
      idle_.push_back(easy);
      ++done_;
    }
  }

  std::string url_;
  std::string body_;
  int epoll_;
  CURLM* multi_;
  curl_slist* headers_ = nullptr;
  std::vector<CURL*> idle_;
  long timeout_ms_ = -1;
  uint64_t started_ = 0;
  uint64_t done_ = 0;
};

int Main(int argc, char** argv) {
  Flags flags(argc, argv, kUsage);
  const std::string url = flags.Text("url", "");
  if (url.empty()) Die(kUsage);
  const auto requests = static_cast<uint64_t>(flags.Count("requests", 100'000, 1));
  const auto size = static_cast<size_t>(flags.Count("size", 843, 12));
  const auto window = static_cast<size_t>(flags.Count("window", 64, 1));
  flags.Done();
  curl_global_init(CURL_GLOBAL_DEFAULT);
  CurlLoop loop(url, size, window);
  const int64_t began_ns = NowNs();
  loop.Run(requests);
  const double seconds = static_cast<double>(NowNs() - began_ns) / kNsPerSecond;
  std::printf("{\"requests\":%lu,\"requests_per_s\":%.1f,\"cpu\":%.3f}\n", requests,
              static_cast<double>(requests) / seconds, CpuSeconds() / seconds);
  return 0;
}

}  // namespace
}  // namespace tributary::bench

int main(int argc, char** argv) {
  return tributary::bench::Main(argc, argv);
}
