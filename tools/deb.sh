#!/usr/bin/env bash
# Packs a program that tools/dist.sh has built as a .deb, with the units, a sample of settings, manual and completions.
#
#   tools/deb.sh TARGET [VERSION]        dist/authnzerver-PROCESSOR becomes dist/authnzerver_VERSION_ARCHITECTURE.deb
#
# Equal programs make equal packages: all times in it are SOURCE_DATE_EPOCH, which is the last commit's unless set.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/need.sh
need dpkg-dev dpkg-deb --version

target=${1:?one of the targets in tools/musl-target.sh}
. tools/musl-target.sh
version=${2:-$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n1)}
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH LC_ALL=C
umask 022
program=dist/authnzerver-$processor
# It prints the texts, which are the same for each processor.
native=dist/authnzerver-$(uname -m)
for file in "$program" "$native"; do
    [ -x "$file" ] || { echo "There is no $file yet: run \"make dist\" first." >&2; exit 1; }
done
day=$(date -Ru -d "@$SOURCE_DATE_EPOCH")

room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
root=$room/root
put() { install -D -m "$1" "$2" "$root/$3"; }
put_text() { mkdir -p "$(dirname "$root/$1")" && cat >"$root/$1" && chmod 644 "$root/$1"; }

put 755 "$program" usr/bin/authnzerver
ln -s authnzerver "$root/usr/bin/authnzrv"
# The package makes a user. systemd would hide the files of one that it makes itself below /var/lib/private, where purge and the
# server's own user do not get to.
for unit in authnzerver.service deploy/authnzerver.socket deploy/authnzerver-backup.service deploy/authnzerver-backup.timer; do
    sed '/^# A user of this name is used/d; /^DynamicUser=/d; s|/usr/local/bin/|/usr/bin/|' "$unit" | put_text "usr/lib/systemd/system/$(basename "$unit")"
done
put 644 deploy/debian/sysusers.conf usr/lib/sysusers.d/authnzerver.conf
put 640 deploy/debian/authnzerver.env etc/authnzerver/authnzerver.env
"$native" man | gzip -9n | put_text usr/share/man/man1/authnzerver.1.gz
ln -s authnzerver.1.gz "$root/usr/share/man/man1/authnzrv.1.gz"
"$native" completions bash | put_text usr/share/bash-completion/completions/authnzerver
"$native" completions zsh | put_text usr/share/zsh/vendor-completions/_authnzerver
"$native" completions fish | put_text usr/share/fish/vendor_completions.d/authnzerver.fish
put 644 deploy/debian/lintian-overrides usr/share/lintian/overrides/authnzerver
{
    printf 'authnzerver (%s) stable; urgency=medium\n\n' "$version"
    printf '  * CHANGELOG.md beside this file says what is new.\n\n'
    printf ' -- authnzerver maintainers <maintainers@authnzerver.invalid>  %s\n' "$day"
} | gzip -9n | put_text usr/share/doc/authnzerver/changelog.gz
gzip -9n <CHANGELOG.md | put_text usr/share/doc/authnzerver/CHANGELOG.md.gz
{
    printf 'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: authnzerver\n\n'
    printf 'Files: *\nCopyright: %s\nLicense: Expat\n' "$(sed -n 's/^Copyright (c) //p' LICENSE | head -n1)"
    sed -n '/^Permission/,$p' LICENSE | sed 's/^$/./; s/^/ /'
} | put_text usr/share/doc/authnzerver/copyright

mkdir "$root/DEBIAN"
for script in postinst prerm postrm; do
    install -m 755 "deploy/debian/$script" "$root/DEBIAN/$script"
done
echo /etc/authnzerver/authnzerver.env >"$root/DEBIAN/conffiles"
(cd "$root" && find etc usr -type f -print0 | sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"
chmod 644 "$root/DEBIAN/conffiles" "$root/DEBIAN/md5sums"
cat >"$root/DEBIAN/control" <<CONTROL
Package: authnzerver
Version: $version
Architecture: $debian
Maintainer: authnzerver maintainers <maintainers@authnzerver.invalid>
Installed-Size: $(du -sk --apparent-size --exclude=DEBIAN "$root" | cut -f1)
Depends: systemd | systemd-standalone-sysusers, init-system-helpers (>= 1.54~)
Section: net
Priority: optional
Description: small authentication and authorization server
 Web servers call it to sign people up, log them in and out, keep their
 sessions, verify email addresses, reset passwords, lock accounts, issue and
 check API keys, and decide by a JSON policy who may do what.
 .
 It is one static program with one SQLite file.
CONTROL
find "$root" -exec touch -hd "@$SOURCE_DATE_EPOCH" {} +
package=dist/authnzerver_${version}_$debian.deb
dpkg-deb -Zxz --root-owner-group --build "$root" "$package" >&2
echo "$package"
