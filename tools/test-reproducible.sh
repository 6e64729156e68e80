#!/usr/bin/env bash
# Builds the last commit in two folders that share nothing but the compiler, and compares the programs byte by byte.
#
#   tools/test-reproducible.sh TARGET
set -euo pipefail
cd "$(dirname "$0")/.."
target=${1:?one of the targets in tools/musl-target.sh}
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
for folder in one another/that/is/deeper; do
    git clone -q . "$room/$folder/source"
    (cd "$room/$folder/source" && CARGO_TARGET_DIR=$room/$folder/target MUSL_CACHE=$room/$folder/cache \
        tools/musl-cargo.sh "$target" build --release --locked --bin authnzerver)
    sha256sum "$room/$folder/target/$target/release/authnzerver"
done
cmp "$room/one/target/$target/release/authnzerver" "$room/another/that/is/deeper/target/$target/release/authnzerver"
echo 'Both are the same.'
