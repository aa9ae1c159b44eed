#!/bin/sh
# Format, lint, include direction, then the unit tests under ASan+UBSan and TSan.
set -eu
cd "$(dirname "$0")/.."
echo "format"
git ls-files 'src/*.cc' 'src/*.h' 'tests/*.cc' 'tests/*.h' 'bench/*.cc' | xargs clang-format --dry-run --Werror
echo "house rules"
python3 tests/house/house_test.py
echo "lint"
tools/lint.sh
echo "address and undefined behaviour"
make --no-print-directory asan
echo "threads"
make --no-print-directory tsan
