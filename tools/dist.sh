#!/usr/bin/env bash
# Builds the static program for every processor that we ship it for, as dist/authnzerver-PROCESSOR, and tries each out: this
# machine's as it is, the others' under qemu. Other processors' libraries come from Debian.
#
#   tools/dist.sh [TARGET…]
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/need.sh

[ $# -gt 0 ] || set -- x86_64-unknown-linux-musl aarch64-unknown-linux-musl armv7-unknown-linux-musleabihf
built=${CARGO_TARGET_DIR:-target}
python=$built/python/bin/python

for target in "$@"; do
    . tools/musl-target.sh
    program=dist/authnzerver-$processor
    tools/musl-cargo.sh "$target" build --release --locked --bin authnzerver
    install -D -m 755 "$built/$target/release/authnzerver" "$program"
    tools/check-static.sh "$program" "$target"
    if [ $is_native = 1 ]; then
        "$python" -B tests/packages/smoke.py --server="$program"
        continue
    fi
    need_emulator
    "$python" -B tests/packages/smoke.py --server="$program" --runner="$emulator" \
        --faketime="$(compgen -G '/usr/lib/*/faketime/libfaketime.so.1' | head -n1)"
done
