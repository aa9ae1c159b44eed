#!/bin/sh
# Installs the Debian packages of the named groups that are missing, and says which.
# Usage: tools/setup.sh build [test] [check]
# An entry "package|command" counts as there when the command is, wherever it came from.
set -eu
list=$(dirname "$0")/packages.txt
missing=
for group in "$@"; do
  for entry in $(sed -n "s/^$group //p" "$list"); do
    package=${entry%%|*}
    command=${entry#*|}
    if [ "$command" != "$entry" ]; then
      command -v "$command" >/dev/null 2>&1 && continue
    elif dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed'; then
      continue
    fi
    missing="$missing $package"
  done
done
[ -n "$missing" ] || exit 0

echo "Installing Debian packages:$missing"
sudo=
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null 2>&1 || { echo "Run as root, or install sudo." >&2; exit 1; }
  sudo=sudo
fi
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# $missing is a list of words on purpose.
# shellcheck disable=SC2086
if ! { $sudo apt-get update && $sudo apt-get install -y --no-install-recommends $missing; } >"$log" 2>&1; then
  tail -20 "$log" >&2
  exit 1
fi
