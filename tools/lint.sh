#!/bin/sh
# clang-tidy over src/ (all of it, or the files named). Makes build-lint/compile_commands.json.
set -eu
cd "$(dirname "$0")/.."
tidy=$(command -v clang-tidy-19 || command -v clang-tidy)
# Its own directory: each file is compiled by itself there, as clang-tidy looks at them.
cmake --preset dev -B build-lint -DTRIBUTARY_UNIFIED=OFF > /dev/null
if [ $# -gt 0 ]; then files=$*; else files=$(git ls-files 'src/*.cc'); fi
# GCC's precompiled headers and its warning names mean nothing to clang.
# shellcheck disable=SC2086
printf '%s\n' $files | xargs -P "$(nproc)" -n 4 "$tidy" -p build-lint --quiet \
  --extra-arg=-Wno-unknown-warning-option --extra-arg=-Wno-ignored-optimization-argument \
  --extra-arg=-Wno-ignored-gch
