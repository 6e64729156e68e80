#!/usr/bin/env bash
# Packs this machine's program of `make dist`, and tries the package out in a Debian of its own, as root.
#
#   test.sh ROOT        a folder for that Debian, which is made if it is not there
set -euo pipefail
cd "$(dirname "$0")/../.."
. tools/need.sh
root=${1:?a folder for a Debian}
target=$(uname -m)-unknown-linux-musl
# The version before has the same program, but a database of an earlier schema.
schema_before=5
tests/packages/root.sh "$root"
need lintian lintian --version
old=$(tools/deb.sh "$target" 0.0.9)
new=$(tools/deb.sh "$target")
archive=$(tools/archive.sh "$target")
lintian --allow-root --fail-on error,warning "$new"
tests/packages/lifecycle.sh "$root" "$old" "$new" "$schema_before"
"${CARGO_TARGET_DIR:-target}/python/bin/python" -B tests/packages/under_systemd.py --root="$root" --old="$old" --new="$new" --archive="$archive"
