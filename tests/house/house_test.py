#!/usr/bin/env python3
"""Rules of the house that no compiler checks. Exits 1 and names file and line for each breach.

* Includes point one way: main -> app -> {cli, control, console} -> {sources, destinations,
  amazon_ads} -> {ingest, dedupe, process, route, deliver, lake, queue} -> {log, store, http} ->
  {event, codec, config, metrics} -> os -> base. Folders inside one brace do not include each other.
* Libraries stay behind their door: RocksDB in store/, curl and Beast in http/, and so on.
* Only os/ calls the operating system; only app/ starts threads.
* Files, clock and chance are handed in: only who builds a program (app/, cli/) takes the machine's.
* A source, destination or subcommand is one file: nothing else names it.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
SRC = ROOT / "src"

LAYERS = [
    {"base"},
    {"os"},
    {"event", "codec", "config", "metrics"},
    {"log", "store", "http"},
    {"ingest", "dedupe", "process", "route", "deliver", "lake", "queue", "backup"},
    {"sources", "destinations", "amazon_ads"},
    {"cli", "control", "console"},
    {"app"},
    {"main"},
]
RANK = {folder: rank for rank, layer in enumerate(LAYERS) for folder in layer}

# Header prefix -> folders (or files) that may include it.
LIBRARIES = {
    "rocksdb/": {"store"},
    "curl/": {"http"},
    "boost/beast": {"http"},
    "boost/": {"http", "os"},
    "openssl/": {"codec", "http"},
    "yaml-cpp/": {"config"},
    "CLI/": {"cli"},
    "spdlog/": {"base"},
    "zlib.h": {"codec"},
    "zstd.h": {"codec", "log"},
    "zdict.h": {"codec", "log"},
    "lz4.h": {"codec"},
    "simdjson.h": {"event", "sources", "ingest"},
    "xxhash.h": {"base"},
    "jq.h": {"route"},
    "jv.h": {"route"},
    "libpsl.h": {"process"},
}
# System headers that reach the operating system; the standard library's own are fine.
SYSTEM_HEADERS = re.compile(
    r"^(sys/|linux/|net/|netinet/|arpa/|unistd\.h|fcntl\.h|dirent\.h|poll\.h|pthread\.h|signal\.h"
    r"|netdb\.h|ifaddrs\.h|sched\.h|time\.h|csignal|ctime|filesystem|fstream|random|thread|iostream)")
# Where one of them is right all the same, and why.
SYSTEM_ALLOWED = {
    ("app", "thread"): "app/ starts the threads",
    ("cli", "iostream"): "a command prints its answer",
    ("http", "netinet/"): "socket options of Asio's and curl's own sockets",
    ("http", "arpa/"): "numeric addresses",
    ("http", "sys/socket.h"): "libcurl's socket callbacks speak sockaddr",
}
CALLS = re.compile(
    r"(?<![\w:.>])(?:::)?(open|openat|creat|fsync|fdatasync|pwrite|pwritev|pread|unlink|rename|mkdir"
    r"|ftruncate|fallocate|clock_gettime|gettimeofday|getrandom|rand|srand|usleep|nanosleep|fork"
    r"|system|popen|getenv|setenv|kill)\s*\(")
CALLS_STD = re.compile(
    r"std::(thread|jthread|async|this_thread::sleep_\w+|chrono::(system|steady|high_resolution)_clock"
    r"::now|random_device|getenv|rand|ofstream|ifstream|fopen|system|rename|remove)\b")
DECLARES = re.compile(r"(?:([A-Za-z_]\w*)|>)\s*[&*]*\s+$")
NO_TYPES = {"return", "co_return", "co_await", "throw", "else", "do", "case", "and", "or", "not"}
# The machine's own, and where it may be taken.
SEAMS = re.compile(r"\bos::(SystemClock|SystemRandom|PosixFileSystem)\s*\(")
SEAMS_ALLOWED = {
    "os": "it makes them",
    "app": "it builds the program",
    "cli": "a command builds its world",
    "main": "it builds the program",
    ("store", "PosixFileSystem"): "RocksDB works on the machine's files and on no others",
}
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b")  # split, so as not to find itself
THREADS = re.compile(r"std::(thread|jthread|async)\b")


def folder_of(path):
    parts = path.relative_to(SRC).parts
    return "main" if len(parts) == 1 else parts[0]


def strip_comments(line):
    return re.sub(r'"(\\.|[^"\\])*"', '""', line).split("//")[0]


def strip_blocks(line, in_block):
    """The line without what stands between /* and */, and whether a comment goes on after it."""
    kept = ""
    while line:
        before, mark, line = line.partition("*/" if in_block else "/*")
        kept += "" if in_block else before
        in_block = in_block != bool(mark)
    return kept, in_block


def check_calls(folder, line):
    """What a line of code outside os/ calls that it must not."""
    problems = []
    for found in CALLS.finditer(line):
        before = DECLARES.search(line[: found.start()])
        if before and before.group(1) not in NO_TYPES:
            continue  # a function of ours with such a name is declared here
        problems.append(f"calls {found.group(1)}(): the way to the operating system is os/")
    for found in CALLS_STD.finditer(line):
        if not (folder == "app" and THREADS.search(found.group(0))):
            problems.append(f"uses {found.group(0)}: the way there is os/, threads are app/'s")
    for found in SEAMS.finditer(line):
        if folder not in SEAMS_ALLOWED and (folder, found.group(1)) not in SEAMS_ALLOWED:
            problems.append(f"takes os::{found.group(1)}() itself: it is handed in by constructor")
    return problems


def check_include(folder, name, quoted):
    if quoted:
        other = name.split("/")[0]
        if other not in RANK or "/" not in name:
            return None if folder == "main" else f"includes {name}, which is in no folder of src/"
        if other != folder and RANK[other] >= RANK[folder]:
            return f"includes {name}: the arrow {folder} -> {other} points back"
        return None
    for prefix, folders in LIBRARIES.items():
        if name.startswith(prefix):
            if folder in folders:
                return None
            return f"includes <{name}>, which only {', '.join(sorted(folders))} may"
    if folder != "os" and SYSTEM_HEADERS.match(name):
        if any(folder == f and name.startswith(h) for f, h in SYSTEM_ALLOWED):
            return None
        return f"includes <{name}>: the way to the operating system is os/"
    return None


def check_file(path, is_test):
    folder = folder_of(path)
    problems = []
    in_block = False
    for number, raw in enumerate(path.read_text().splitlines(), 1):
        where = f"{path.relative_to(ROOT)}:{number}"
        include = re.match(r'\s*#include\s*([<"])([^>"]+)[>"]', raw)
        if include:
            name, quoted = include.group(2), include.group(1) == '"'
            if is_test and (not quoted or name.split("/")[0] in {"support", "sim", "contract"}):
                continue  # a test may use the test kit and the system it tests against
            problem = check_include(folder, name, quoted)
            if problem and not is_test:
                problems.append(f"{where}: {problem}")
            continue
        if len(raw) > 100 and "http" not in raw:
            problems.append(f"{where}: longer than 100 columns")
        if UNFINISHED.search(raw):
            problems.append(f"{where}: says that something is not done")
        if is_test or folder == "os":
            continue
        line, in_block = strip_blocks(strip_comments(raw), in_block)
        problems += [f"{where}: {problem}" for problem in check_calls(folder, line)]
    return problems


def check_one_file_each():
    """No file outside the folder may name a file of sources/, destinations/ or cli/ commands."""
    problems = []
    for kind in ("sources", "destinations"):
        names = {p.stem for p in (SRC / kind).glob("*.cc") if not p.stem.endswith("_test")}
        lists = [SRC / kind / "CMakeLists.txt", ROOT / "CMakeLists.txt"]
        for listing in lists:
            for name in names:
                if re.search(rf"\b{name}\.cc\b", listing.read_text()):
                    problems.append(f"{listing.relative_to(ROOT)}: names {name}.cc; one more must be one file")
    return problems


def all_problems():
    problems = []
    for path in sorted(SRC.rglob("*.h")) + sorted(SRC.rglob("*.cc")):
        problems += check_file(path, path.stem.endswith("_test"))
    return problems + check_one_file_each()


def main():
    problems = all_problems()
    for problem in problems:
        print(problem)
    print(f"house rules: {len(problems)} breaches")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
