#!/usr/bin/env bash
# The life of a .deb in a Debian of its own, as root: installed, used, upgraded with its database, removed, installed again,
# purged. There is no systemd running there, so the server is started the way its unit says, by hand.
#
#   lifecycle.sh ROOT OLD.deb NEW.deb [SCHEMA]
#
# ROOT is one that debootstrap made, with systemd; it is copied, and stays as it is. If the old package holds a program with
# today's schema, SCHEMA is the one that it leaves its database with.
set -euo pipefail
root=$(realpath "$1") old=$(realpath "$2") new=$(realpath "$3") schema=${4:-}
tests=$(realpath "$(dirname "$0")")
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
asks() { as_unit authnzerver call "$@" --basedir=/var/lib/authnzerver; }
# A new visitor's session, the token of which it prints.
visits() {
    asks session-new '{"ip_address": "192.0.2.7", "user_agent": "Browser/1.0", "user_id": null, "expires": 1, "extra_info_json": null}' |
        sed -n 's/.*"session_token": *"\([^"]*\)".*/\1/p'
}
serves() {
    as_unit authnzerver --basedir=/var/lib/authnzerver 2>"$room/log" &
    for _ in $(seq 200); do
        if visits >/dev/null 2>&1; then return; fi
        sleep 0.1
    done
    cat "$room/log"
    fail 'the server does not serve'
}
logs_in() {
    local token
    token=$(visits)
    asks user-login "{\"session_token\": \"$token\", \"email\": \"alice@example.org\", \"password\": \"correct horse battery staple\"}" ||
        { cat "$room/log"; fail 'alice cannot log in'; }
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

says 'the server serves, and somebody signs up'
serves
expect asks user-new '{"full_name": "Alice", "email": "alice@example.org", "password": "correct horse battery staple"}'
expect asks user-set-emailverified '{"email": "alice@example.org"}'
logs_in
stops
data=$room/root/var/lib/authnzerver
if [ -n "$schema" ]; then
    says "the database is of schema $schema"
    python3 -B "$tests/older.py" "$data/.authdb.sqlite" "$schema"
fi

says "upgrade to $(basename "$new")"
inside dpkg -i new.deb
expect grep -q "AUTHNZERVER_PORT=$port" "$room/root/etc/authnzerver/authnzerver.env"
serves
expect compgen -G "$data/.authdb.sqlite.schema-${schema:-*}"
logs_in
as_unit authnzerver user list --basedir=/var/lib/authnzerver
as_unit authnzerver health --basedir=/var/lib/authnzerver
stops

says 'remove'
inside dpkg -r authnzerver
refuse test -e "$room/root/usr/bin/authnzerver"
expect test -f "$room/root/var/lib/authnzerver/.authdb.sqlite"
expect grep -q "AUTHNZERVER_PORT=$port" "$room/root/etc/authnzerver/authnzerver.env"

says 'install again'
inside dpkg -i new.deb
serves
logs_in
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
