// Backups as the control API sees them; app/ makes them on a thread of its own.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace tributary::control {

class Backups {
 public:
  virtual ~Backups() = default;
  // Begins one, and answers with its JSON (see Get). kInvalid, field "dir", when nothing may be
  // backed up there; kConflict while another one runs. May read the disk.
  virtual Result<std::string> Start(const std::string& dir) = 0;
  // {"id","dir","state":"running|done|failed","error","started_at","finished_at","files",
  //  "bytes_total","bytes_done","bytes_copied","bytes_linked","bytes_kept","log",
  //  "secret_key_left_out"}; kNotFound when it is none of the last kBackupsRemembered.
  virtual Result<std::string> Get(const std::string& id) const = 0;
  virtual std::vector<std::string> List() const = 0;  // newest first
};

inline constexpr std::size_t kBackupsRemembered = 32;  // since the start of the process

}  // namespace tributary::control
