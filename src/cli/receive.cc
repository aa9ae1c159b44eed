// tributary receive: a small webhook receiver that prints and verifies what it gets.
#include <ostream>
#include <utility>

#include "cli/receive_format.h"
#include "cli/registry.h"
#include "config/settings.h"
#include "http/server.h"
#include "os/asio_loop.h"
#include "os/clock.h"
#include "os/process.h"

namespace tributary::cli {
namespace {

constexpr std::size_t kReceivedBytesMax = 8 * 1024 * 1024;
constexpr MonoNanos kDrainMax = 1 * kNanosPerSecond;
constexpr int kShownBytesMax = 1024 * 1024;

// Answers every request the same, and prints it first, so that what was answered was seen.
class Printer final : public http::Handler {
 public:
  Printer(ReceiveReport report, int status, std::ostream& out, os::AsioLoop& loop)
      : report_(std::move(report)), status_(status), out_(out), loop_(loop) {}

  std::size_t BodyBytesMax(const http::Request&) override { return kReceivedBytesMax; }
  void Handle(const http::Request& request, http::Responder responder) override {
    out_ << report_.Describe(request, os::SystemClock().Now()) << std::flush;
    responder.Send({.status = status_, .headers = {}, .body = {}});
    if (!out_) loop_.Stop();  // nobody reads any more
  }

 private:
  ReceiveReport report_;
  int status_;
  std::ostream& out_;
  os::AsioLoop& loop_;
};

class Receive final : public Command {
 public:
  void Describe(Arguments& a) override {
    a.Option("--listen", listen_, "HOST:PORT", "Where to listen (127.0.0.1:9000).");
    a.Option(
        "--secret", secrets_, "SECRET",
        "Signing secret (whsec_…) or public key (whpk_…); several while one is being replaced.");
    a.Number("--status", status_, 200, 599, "The answer to every request (204).");
    a.Flag("--raw", format_.raw, "Shows JSON as it came.");
    a.Number("--show-bytes", shown_bytes_, 0, kShownBytesMax,
             "Most bytes shown of a body (16384).");
    a.OnRun([this](Context& context) { return Run(context); });
  }

 private:
  int Run(Context& context) {
    const auto address = config::ParseListen(listen_);
    if (!address) return ComplainOfUsage(context, "--listen " + address.error().message());
    std::optional<codec::WebhookVerifier> verifier;
    if (!secrets_.empty()) {
      auto made = codec::WebhookVerifier::Make(secrets_);
      if (!made) return ComplainOfUsage(context, "--secret: " + made.error().message());
      verifier = *std::move(made);
    }
    format_.body_bytes_max = static_cast<std::size_t>(shown_bytes_);
    return Serve(context, *address, ReceiveReport(format_, std::move(verifier)));
  }

  int Serve(Context& context, const config::ListenAddress& address, ReceiveReport report) {
    os::AsioLoop loop;
    Printer printer(std::move(report), status_, context.out, loop);
    const auto server =
        http::Listen(loop, address.host, address.port, http::PortUse::kAlone, {}, printer);
    if (!server) return Complain(context, server.error().message());
    bool stopping = false;
    const auto stop = [&] {
      if (std::exchange(stopping, true)) return loop.Stop();  // asked twice: at once
      Stop(loop, **server);
    };
    const os::SignalWatch signals(loop, stop, [] {});
    const std::string host = (*server)->host();
    const std::string shown = host.find(':') == std::string::npos ? host : "[" + host + "]";
    context.err << "listening on http://" << shown << ":" << (*server)->port() << '\n'
                << std::flush;
    loop.Run();
    return context.out ? kExitFine : kExitFailed;
  }

  static void Stop(os::AsioLoop& loop, http::Server& server) {
    loop.At(loop.Now() + kDrainMax, [&loop] { loop.Stop(); });
    server.Drain([&loop] { loop.Stop(); });
  }

  std::string listen_ = "127.0.0.1:9000";
  std::vector<std::string> secrets_;
  int status_ = 204;
  ReceiveFormat format_;
  int shown_bytes_ = static_cast<int>(ReceiveFormat().body_bytes_max);
};

const CommandRegistration kReceive =
    Register<Receive>("receive", "Receives webhooks: prints them and verifies their signatures.");

}  // namespace
}  // namespace tributary::cli
