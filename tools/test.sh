#!/bin/sh
# Runs CTest in a build directory; further arguments go to ctest. Shows only what failed.
set -eu
directory=$1
shift
exec ctest --test-dir "$directory" --output-on-failure --no-tests=error "$@"
