#!/usr/bin/env bash
# Tries two processes on a PostgreSQL with a standby while everything fails that can, and whether histories of what they did are those of
# one account after another. What is cut, filled and killed for that lies in namespaces of its own, which takes root.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/need.sh

[ "$(id -u)" = 0 ] || { echo 'This cuts networks and fills disks of its own, which takes root.' >&2; exit 1; }
need postgresql bash -c 'ls /usr/lib/postgresql/*/bin/initdb && psql --version'
need iptables iptables --version
need iproute2 ip -V
need haproxy haproxy -v
need caddy caddy version
need libfaketime bash -c 'ls /usr/lib/*/faketime/libfaketime.so.1'
HISTORIES=${HISTORIES:-300} HISTORY_SEED=${HISTORY_SEED:-$RANDOM} tools/test-postgres.sh history::
# The shell waits for whoever is left without a parent.
python=${CARGO_TARGET_DIR:-target}/python/bin/python
exec unshare --net --mount --pid --fork --kill-child --mount-proc bash -c '"$0" -B tests/cluster/run.py "$@"; exit $?' "$python" "$@"
