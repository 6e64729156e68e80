#!/usr/bin/env bash
# The life of a .deb in a Debian of its own, as root: installed, used, upgraded with its database, removed, installed again,
# purged. There is no systemd running there, so the server is started the way its unit says, by hand.
#
#   lifecycle.sh ROOT OLD.deb NEW.deb     ROOT is one that debootstrap made, with systemd; it is copied, and stays as it is
set -euo pipefail
root=$(realpath "$1") old=$(realpath "$2") new=$(realpath "$3")
port=${PORT:-23431}

if [ -z "${INSIDE:-}" ]; then
    exec env INSIDE=1 unshare --mount --pid --fork --kill-child "$0" "$@"
fi

room=$(mktemp -d)
trap 'umount -l "$room/root/proc" 2>/dev/null; rm -rf "$room"' EXIT
cp -a "$root" "$room/root"
mount -t proc proc "$room/root/proc"
cp "$old" "$room/root/old.deb"
cp "$new" "$room/root/new.deb"

inside() { env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive chroot "$room/root" "$@"; }
says() { printf '%s\n' "--- $*"; }
fail() { says "FAILED: $*"; exit 1; }
expect() { "$@" >/dev/null || fail "$*"; }
refuse() { if "$@" >/dev/null 2>&1; then fail "not expected: $*"; fi; }
# As the unit has it: settings of the env file, the user, the state directory.
as_unit() {
    inside sh -c 'set -a; . /etc/authnzerver/authnzerver.env; set +a; export AUTHNZERVER_PWNEDURL=none
        install -d -m 700 -o authnzerver -g authnzerver /var/lib/authnzerver; cd /var/lib/authnzerver; umask 077
        exec setpriv --reuid=authnzerver --regid=authnzerver --init-groups --no-new-privs "$@"' sh "$@"
}
files() { (cd "$room/root" && find . -xdev \( -path ./proc -o -path ./run -o -path ./var/lib/dpkg -o -path ./var/log -o -path ./var/cache \) -prune -o -print | sort); }
serves() {
    as_unit authnzerver --basedir=/var/lib/authnzerver 2>"$room/log" &
    for _ in $(seq 200); do
        if as_unit authnzerver health --basedir=/var/lib/authnzerver >/dev/null 2>&1; then break; fi
        sleep 0.1
    done
    as_unit authnzerver health --basedir=/var/lib/authnzerver || { cat "$room/log"; fail 'the server is not well'; }
}
stops() {
    inside sh -c 'for p in /proc/[0-9]*; do [ "$(cat $p/comm 2>/dev/null)" != authnzerver ] || kill ${p#/proc/}; done'
    wait
}

before=$(files)
says "install $(basename "$old")"
inside dpkg -i old.deb
expect inside getent passwd authnzerver
[ "$(stat -c '%a %U' "$room/root/etc/authnzerver/authnzerver.env")" = '640 root' ] || fail 'the settings are open to others'
expect test -L "$room/root/etc/systemd/system/multi-user.target.wants/authnzerver.service"
refuse test -L "$room/root/etc/systemd/system/sockets.target.wants/authnzerver.socket"
refuse test -L "$room/root/etc/systemd/system/timers.target.wants/authnzerver-backup.timer"
for unit in authnzerver.service authnzerver.socket authnzerver-backup.service authnzerver-backup.timer; do
    inside systemd-analyze verify "/usr/lib/systemd/system/$unit" || fail "$unit"
done
expect inside authnzrv --version
echo "AUTHNZERVER_PORT=$port" >>"$room/root/etc/authnzerver/authnzerver.env"

says 'the server serves, and somebody is added'
serves
echo 'correct horse battery staple' | as_unit authnzerver user add alice@example.org --name=Alice --password=- --yes --basedir=/var/lib/authnzerver
stops

says "upgrade to $(basename "$new")"
inside dpkg -i new.deb
expect grep -q "AUTHNZERVER_PORT=$port" "$room/root/etc/authnzerver/authnzerver.env"
serves
as_unit authnzerver user list --basedir=/var/lib/authnzerver | grep alice || fail 'the upgrade lost somebody'
stops

says 'remove'
inside dpkg -r authnzerver
refuse test -e "$room/root/usr/bin/authnzerver"
expect test -f "$room/root/var/lib/authnzerver/.authdb.sqlite"
expect grep -q "AUTHNZERVER_PORT=$port" "$room/root/etc/authnzerver/authnzerver.env"

says 'install again'
inside dpkg -i new.deb
serves
as_unit authnzerver user list --basedir=/var/lib/authnzerver | grep alice || fail 'the removal lost somebody'
stops

says 'purge'
mkdir "$room/root/var/lib/authnzerver-backups"
inside dpkg -P authnzerver
refuse test -e "$room/root/var/lib/authnzerver"
refuse test -e "$room/root/etc/authnzerver"
expect test -d "$room/root/var/lib/authnzerver-backups"
rmdir "$room/root/var/lib/authnzerver-backups"
after=$(files)
left=$(diff <(echo "$before") <(echo "$after") || true)
# The user stays, as Debian wants it, and with it the copies that the tools for users make.
left=$(grep '^[<>]' <<<"$left" | grep -vE '^> \./etc/(passwd|group|shadow|gshadow|subuid|subgid)-?$|^> \./etc/\.pwd\.lock$' || true)
[ -z "$left" ] || fail "left behind: $left"
says 'all is well: nothing is left behind but the user'
