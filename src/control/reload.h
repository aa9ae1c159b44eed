// The configuration of a running server as the control API sees it; app/ reads and applies it.
#pragma once

#include <functional>
#include <optional>
#include <string>

namespace tributary::control {

class Configuration {
 public:
  virtual ~Configuration() = default;

  // A whole answer: 200, or an error's body with its status. What is wrong with a file is 400 with
  // "problems":[{"file","line","column","field","message"}].
  struct Answer {
    int status = 200;
    std::string json;
  };
  // On any thread, where it must only post.
  using Done = std::move_only_function<void(Answer)>;

  // Reads the file again and applies it, whole or not at all.
  //   {"applied":["destinations.hook","logging.level"],"needs_restart":["retention.age"],
  //    "changes":[…as of Plan]}
  // 409 when there is no file, or a name was given in it and through the API.
  virtual void Reload(Done done) = 0;

  // What Reload() would do with a text, or without one with the server's own file. Changes nothing.
  //   {"changes":[{"kind","name","action","needs_restart","fields":[{"field","before","after"}]}],
  //    "needs_restart":[…]}
  struct File {
    std::string name;  // as shown in problems
    std::string text;
  };
  virtual void Plan(std::optional<File> file, Done done) = 0;
};

}  // namespace tributary::control
