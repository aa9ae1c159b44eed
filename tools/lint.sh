#!/bin/sh
# clang-tidy over the product's sources (all of them, or the files named).
# Makes build-lint/compile_commands.json.
set -eu
cd "$(dirname "$0")/.."
tidy=$(command -v clang-tidy-19 || command -v clang-tidy)
# All of src/ is looked at as it is compiled, several files at a time: most of the time goes into the
# headers they share. A file that is named is looked at by itself.
if [ $# -gt 0 ]; then
  cmake --preset dev -B build-lint -DTRIBUTARY_TESTS=ON -DTRIBUTARY_UNIFIED=OFF > /dev/null
  files=$*
else
  cmake --preset dev -B build-lint -DTRIBUTARY_TESTS=OFF -DTRIBUTARY_UNIFIED=ON > /dev/null
  files=$(sed -n 's/^ *"file": "\(.*\)",*$/\1/p' build-lint/compile_commands.json | sort -u |
    grep -E '/(src|unified)/.*\.cc$')
fi
# GCC's precompiled headers, parameters and warning names, and what its library uses of itself though
# deprecated, mean nothing to clang. That a unified file includes sources is its purpose; they are
# analysed as headers of ours are, in the analyzer's quick mode.
# shellcheck disable=SC2086
printf '%s\n' $files | xargs -P "$(nproc)" -n 1 "$tidy" -p build-lint --quiet \
  --checks=-bugprone-suspicious-include \
  --extra-arg=-Wno-unknown-warning-option --extra-arg=-Wno-ignored-optimization-argument \
  --extra-arg=-Wno-unused-command-line-argument \
  --extra-arg=-Wno-ignored-gch --extra-arg=-Wno-deprecated-declarations \
  --extra-arg=-Xclang --extra-arg=-analyzer-opt-analyze-headers \
  --extra-arg=-Xclang --extra-arg=-analyzer-config --extra-arg=-Xclang --extra-arg=mode=shallow
