#!/bin/sh
# clang-tidy over src/ (all of it, or the files named). Needs build/compile_commands.json.
set -eu
cd "$(dirname "$0")/.."
tidy=$(command -v clang-tidy-19 || command -v clang-tidy)
cmake --preset dev > /dev/null
if [ $# -gt 0 ]; then files=$*; else files=$(git ls-files 'src/*.cc'); fi
# GCC's precompiled headers and its warning names mean nothing to clang.
# shellcheck disable=SC2086
printf '%s\n' $files | xargs -P "$(nproc)" -n 4 "$tidy" -p build --quiet \
  --extra-arg=-Wno-unknown-warning-option --extra-arg=-Wno-ignored-optimization-argument \
  --extra-arg=-Wno-ignored-gch
