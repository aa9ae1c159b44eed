// A whole command line without a process: streams in memory, a server that a test writes down.
#pragma once

#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include "cli/registry.h"

namespace tributary::cli {

// Answers each call by a function, and keeps the calls.
class FakeServer {
 public:
  std::function<Result<ApiAnswer>(const ApiCall&)> answer = [](const ApiCall&) {
    return ApiAnswer{.status = 200, .headers = {}, .body = "{}"};
  };
  std::vector<ApiCall> calls;
  std::vector<MonoNanos> waits;
  ApiTarget target;

  Connect connect() {
    return [this](const ApiTarget& t) -> Result<std::unique_ptr<Api>> {
      target = t;
      return std::make_unique<Line>(*this);
    };
  }
  // Answers the calls one after another; the last one again and again.
  void AnswerWith(std::vector<ApiAnswer> answers) {
    answer = [answers = std::move(answers), next = std::size_t{0}](const ApiCall&) mutable {
      return answers[std::min(next++, answers.size() - 1)];
    };
  }

 private:
  class Line final : public Api {
   public:
    explicit Line(FakeServer& server) : server_(server) {}
    Result<ApiAnswer> Call(const ApiCall& call) override {
      server_.calls.push_back(call);
      return server_.answer(call);
    }
    // The body of the answer is what comes, in one piece.
    Result<ApiAnswer> Stream(const ApiCall& call, OnPiece on_piece) override {
      TRY_ASSIGN(const ApiAnswer answer, Call(call));
      if (answer.status == 200) on_piece(answer.body);
      return answer;
    }
    void Wait(MonoNanos span) override { server_.waits.push_back(span); }

   private:
    FakeServer& server_;
  };
};

struct Ran {
  int code = 0;
  std::string out;
  std::string err;
};

struct Terminal {
  FakeServer server;
  std::string input;
  config::Environment environment;
  Hooks hooks;
  bool err_is_terminal = false;

  Ran Run(std::vector<std::string> arguments) {
    std::ostringstream out, err;
    std::istringstream in(input);
    Context context{.out = out,
                    .err = err,
                    .in = in,
                    .fs = os::PosixFileSystem(),
                    .environment = environment,
                    .err_is_terminal = err_is_terminal,
                    .hooks = hooks,
                    .connect = server.connect()};
    const int code = RunArguments(std::move(arguments), context);
    return {code, out.str(), err.str()};
  }
};

}  // namespace tributary::cli
