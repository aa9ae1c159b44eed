// tributary serve: the server itself is app/'s; here its command line is read.
#include "cli/registry.h"

namespace tributary::cli {
namespace {

class Serve final : public Command {
 public:
  void Describe(Arguments& a) override {
    a.Option("--config", options_.config_file, "FILE",
             "Configuration; without one the defaults hold.");
    a.Option("--data-dir", options_.data_dir, "DIR", "Where everything is kept (./data).");
    a.Option("--listen", options_.listen, "HOST:PORT",
             "Where to listen (127.0.0.1:8080); port 0 picks a free one.");
    a.OnRun([this](Context& context) { return Run(context); });
  }

 private:
  int Run(Context& context) {
    if (context.hooks.serve == nullptr) return Complain(context, "this program has no server");
    return context.hooks.serve(options_);
  }

  ServeOptions options_;
};

const CommandRegistration kServe = Register<Serve>("serve", "Runs the server.");

}  // namespace
}  // namespace tributary::cli
