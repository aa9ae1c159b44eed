#!/usr/bin/env python3
"""That the rules of the house find what they are for: each breach below is planted alone in a tree
of its own and must be named with its file and line; what is right must pass. Exits 1 otherwise."""
import pathlib
import sys
import tempfile

import house_test

UNFINISHED = "TO" + "DO"

# File, its text (the breach is in its last line), and a word of what must be said.
BREACHES = [
    ("log/a.h", '#include "deliver/lane.h"', "points back"),
    ("deliver/a.cc", '#include "route/rule.h"', "points back"),
    ("os/a.h", '#include "config/loader.h"', "points back"),
    ("log/a.cc", '#include "nowhere/a.h"', "no folder of src/"),
    ("log/a.cc", '#include "a.h"', "no folder of src/"),
    ("deliver/a.cc", "#include <rocksdb/db.h>", "only store may"),
    ("control/a.cc", "#include <boost/beast/http.hpp>", "only http may"),
    ("log/a.cc", "#include <unistd.h>", "os/"),
    ("deliver/a.cc", "#include <thread>", "os/"),
    ("log/a.cc", "  ::unlink(path);", "calls unlink()"),
    ("log/a.cc", "  x->f(); ::unlink(path);", "calls unlink()"),
    ("log/a.cc", "  if (x->y) rename(from, to);", "calls rename()"),
    ("log/a.cc", "  a.b(); fsync(fd);", "calls fsync()"),
    ("log/a.cc", "void F() { fdatasync(fd); }", "calls fdatasync()"),
    ("log/a.cc", "  return open(path, 0);", "calls open()"),
    ("log/a.cc", "  bool a = b; unlink(path);", "calls unlink()"),
    ("log/a.cc", "  /* why */ unlink(path);", "calls unlink()"),
    ("log/a.cc", "/* why\n   not */ unlink(path);", "calls unlink()"),
    ("log/a.cc", '  f("// no comment"); unlink(path);', "calls unlink()"),
    ("log/a.cc", "  const auto now = std::chrono::steady_clock::now();", "uses std::chrono"),
    ("log/a.cc", "  std::thread worker(run);", "uses std::thread"),
    ("app/a.cc", '  std::thread a(run, std::getenv("A"));', "uses std::getenv"),
    ("config/a.cc", '  return std::getenv("HOME");', "uses std::getenv"),
    ("control/a.cc", "  const UnixMicros now = os::SystemClock().Now();", "SystemClock() itself"),
    ("ingest/a.cc", "      seed_(os::SystemRandom().Next()) {}", "SystemRandom() itself"),
    ("log/a.cc", "  auto& fs = os::PosixFileSystem();", "PosixFileSystem() itself"),
    ("store/a.cc", "  auto& clock = os::SystemClock();", "SystemClock() itself"),
    ("base/a.h", f"// {UNFINISHED}: later", "not done"),
    ("base/a.h", "// " + "x" * 98, "longer than 100"),
    ("log/a_test.cc", f"// {UNFINISHED}: later", "not done"),
]

RIGHT = [
    ("deliver/a.cc", '#include "log/log.h"\n#include "deliver/b.h"\n#include <vector>'),
    ("store/a.cc", "#include <rocksdb/db.h>\nauto& fs = os::PosixFileSystem();"),
    ("app/a.cc", "#include <thread>\nstd::thread a(run);\nauto& clock = os::SystemClock();"),
    ("cli/a.cc", "#include <iostream>\nauto& clock = os::SystemClock();"),
    ("os/posix/a.cc", "#include <unistd.h>\nint fd = ::open(path, 0);"),
    ("log/a.cc", "  file->open(path);\n  file.unlink(path);\n  Catalog::rename(a, b);"),
    ("log/a.h", "  Status open(int a);\n  Result<int> creat();\n  const std::string& system() const;"),
    ("log/a.cc", '  f("unlink(path)");  // unlink(path)\n/* unlink(path)\n   fsync(fd) */'),
    ("log/a_test.cc", "#include <unistd.h>\n  os::SystemClock();\n  ::unlink(path);"),
]


def problems_of(files):
    """What the rules say about a tree of these files."""
    with tempfile.TemporaryDirectory() as root:
        house_test.ROOT = pathlib.Path(root)
        house_test.SRC = house_test.ROOT / "src"
        for name, text in {"CMakeLists.txt": "", "src/sources/CMakeLists.txt": "",
                           "src/destinations/CMakeLists.txt": "", **files}.items():
            path = house_test.ROOT / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text + "\n")
        return house_test.all_problems()


def main():
    wrong = []
    for name, text, said in BREACHES:
        where = f"src/{name}:{len(text.splitlines())}: "
        found = problems_of({f"src/{name}": text})
        if len(found) != 1 or not found[0].startswith(where) or said not in found[0]:
            wrong.append(f"{where}{text!r} should be named once with {said!r}: {found}")
    for name, text in RIGHT:
        found = problems_of({f"src/{name}": text})
        if found:
            wrong.append(f"{name}: {text!r} is right: {found}")
    listed = problems_of({"src/sources/fax.cc": "", "src/sources/CMakeLists.txt": "module(a fax.cc)"})
    if len(listed) != 1 or "names fax.cc" not in listed[0]:
        wrong.append(f"a list that names one source: {listed}")
    for problem in wrong:
        print(problem)
    print(f"house rules: {len(BREACHES) + 1} planted breaches, {len(wrong)} judged wrongly")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
