// The log's part of a backup: of each partition the verdicts, then the segments up to what is
// durable, then the mark of what was retained away.
//
// Compressed segments never change and are linked. Raw ones are copied up to what readers may see:
// the file of a sealed one is soon used again for another, and of the active one the rest may be
// torn. Inside backup/ only.
#pragma once

#include <string>
#include <vector>

#include "backup/copier.h"
#include "log/log.h"

namespace tributary::backup {

// `log` null: nobody writes, and the files are taken as they are.
Result<std::vector<LogRange>> TakeLog(os::FileSystem& fs, const log::Log* log,
                                      const std::string& data_dir, Copier& copier);

}  // namespace tributary::backup
