#!/usr/bin/env bash
# Checks that a file is what we promise to ship: one program that needs nothing else on the machine.
#
#   tools/check-static.sh FILE TARGET
set -euo pipefail

file=${1:?the program to check}
target=${2:?the target it was built for}
bytes_max=$((6 * 1024 * 1024))

fail() { echo "check-static: $file $*" >&2; exit 1; }

[ -x "$file" ] || fail "is not there or not executable"

# Read first and matched afterwards: a readelf that fails must not look like a readelf that found nothing.
segments=$(LC_ALL=C readelf --program-headers --wide "$file")
dynamic=$(LC_ALL=C readelf --dynamic --wide "$file")
grep -q ' LOAD ' <<<"$segments" || fail "has nothing to load; is it a program at all?"
if grep -q INTERP <<<"$segments"; then fail "asks for a dynamic linker"; fi
if grep -q NEEDED <<<"$dynamic"; then fail "needs shared libraries"; fi
if grep 'GNU_STACK' <<<"$segments" | grep -q E; then fail "has an executable stack"; fi

bytes=$(stat -c %s "$file")
[ "$bytes" -le "$bytes_max" ] || fail "is $bytes bytes long, more than $bytes_max"

if [ "${target%%-*}" = "$(uname -m)" ]; then
    version=$(timeout 10 env -i "$file" --version </dev/null) || fail "cannot even say its version"
else
    version="not run, because it is for another processor"
fi
echo "check-static: $file is static, $bytes bytes of at most $bytes_max; ${version:-it runs}"
