#!/usr/bin/env bash
# Builds the last commit in two folders that share nothing but the compiler and the downloaded crates, and compares the programs
# byte by byte. The second has another home of cargo, which starts without unpacked crates, another time zone and umask.
#
#   tools/test-reproducible.sh TARGET        leaves the program as dist/authnzerver-PROCESSOR
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "$0")/.."
target=${1:?one of the targets in tools/musl-target.sh}
. tools/musl-target.sh
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT

# Clones into the folder $1 and builds there; prints the program's path.
build() {
    git clone -q . "$room/$1/source"
    cd "$room/$1/source"
    CARGO_TARGET_DIR=$room/$1/target MUSL_CACHE=$room/$1/cache \
        tools/musl-cargo.sh "$target" build --release --locked --bin authnzerver >&2
    echo "$room/$1/target/$target/release/authnzerver"
}

one=$(build one)
home=${CARGO_HOME:-$HOME/.cargo}
mkdir -p "$room/home/registry"
cp -r "$home/registry/index" "$home/registry/cache" "$room/home/registry/"
if [ -f "$home/config.toml" ]; then cp "$home/config.toml" "$room/home/"; fi
another=$(umask 077; export CARGO_HOME=$room/home TZ=Asia/Tokyo; build another/that/is/deeper)

sha256sum "$one" "$another"
if ! cmp -s "$one" "$another"; then
    mkdir -p dist/differ
    cp "$one" dist/differ/one
    cp "$another" dist/differ/another
    echo "$(cmp -l "$one" "$another" | wc -l) bytes differ; see dist/differ." >&2
    exit 1
fi
install -D -m 755 "$one" "dist/authnzerver-$processor"
echo 'Both are the same.'
