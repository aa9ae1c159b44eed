#!/bin/sh
# Runs CTest in a build directory; further arguments go to ctest. Shows only what failed, and what was
# skipped and why: a run on a machine without npm, name spaces or ../shared proves less.
set -eu
directory=$1
shift
status=0
ctest --test-dir "$directory" --output-on-failure --no-tests=error "$@" || status=$?
skipped=$(awk '/^SKIPPED \[/ { print }
  /: Skipped$/ { where = $1; getline; print where, $0 }' \
  "$directory/Testing/Temporary/LastTest.log" | sort -u)
if [ -n "$skipped" ]; then printf '\nSkipped, and why:\n%s\n' "$skipped"; fi
exit $status
