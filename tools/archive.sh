#!/usr/bin/env bash
# Packs a program that tools/dist.sh has built, with what `make install` and an image want beside it, as an archive; prints its name.
#
#   tools/archive.sh TARGET        dist/authnzerver-PROCESSOR becomes dist/authnzerver-VERSION-PROCESSOR.tar.gz
#
# Equal programs make equal archives: all times in it are SOURCE_DATE_EPOCH, which is the last commit's unless set.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${1:?one of the targets in tools/musl-target.sh}
. tools/musl-target.sh
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n1)
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export LC_ALL=C TZ=UTC
umask 022
name=authnzerver-$version-$processor
[ -x "dist/authnzerver-$processor" ] || { echo "There is no dist/authnzerver-$processor yet: run \"make dist\" first." >&2; exit 1; }

room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
mkdir -p "$room/$name/deploy"
cp -r deploy/image "$room/$name/deploy/"
cp "dist/authnzerver-$processor" "$room/$name/authnzerver"
cp Makefile authnzerver.service LICENSE README.md CHANGELOG.md "$room/$name/"
cp deploy/authnzerver.socket deploy/authnzerver-backup.service deploy/authnzerver-backup.timer "$room/$name/deploy/"
tar --sort=name --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX --mtime="@$SOURCE_DATE_EPOCH" \
    -C "$room" -c "$name" | gzip -9n >"dist/$name.tar.gz"
echo "dist/$name.tar.gz"
