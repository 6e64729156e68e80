#!/usr/bin/env bash
# Packs a program of `make dist`, and tries the package out in a Debian of its own, as root. This machine's package also under
# systemd.
#
#   test.sh ROOT [TARGET]        ROOT is a folder for that Debian, which is made if it is not there
set -euo pipefail
cd "$(dirname "$0")/../.."
. tools/need.sh
root=${1:?a folder for a Debian}
target=${2:-$(uname -m)-unknown-linux-musl}
. tools/musl-target.sh
# The version before has the same program, but a database of an earlier schema.
schema_before=5

# Into a folder, as packagers do, under another prefix; then all of it has to go again.
by_make() {
    local room left
    room=$(mktemp -d)
    make -s install DESTDIR="$room" PREFIX=/usr BINARY="dist/authnzerver-$(uname -m)"
    "$room/usr/bin/authnzrv" --version
    grep -q '^ExecStart=/usr/bin/authnzerver ' "$room/usr/lib/systemd/system/authnzerver.service"
    test -f "$room/usr/lib/systemd/system/authnzerver.socket"
    make -s uninstall DESTDIR="$room" PREFIX=/usr
    left=$(find "$room" ! -type d)
    rm -rf "$room"
    [ -z "$left" ] || { echo "make uninstall leaves: $left" >&2; exit 1; }
}

by_make
"dist/authnzerver-$processor" --version >/dev/null || {
    echo "programs of $processor do not run by themselves here: that takes Debian's qemu-user-static, and binfmt_misc" >&2
    exit 1
}
tests/packages/root.sh "$root" "$debian"
need lintian lintian --version
old=$(tools/deb.sh "$target" 0.0.9)
new=$(tools/deb.sh "$target")
lintian --allow-root --fail-on error,warning,info "$new"
tests/packages/lifecycle.sh "$root" "$old" "$new" "$schema_before"
[ "$is_native" = 1 ] || exit 0
archive=$(tools/archive.sh "$target")
"${CARGO_TARGET_DIR:-target}/python/bin/python" -B tests/packages/under_systemd.py --root="$root" --old="$old" --new="$new" --archive="$archive"
