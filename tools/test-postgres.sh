#!/usr/bin/env bash
# Starts a PostgreSQL of its own from Debian's packages, runs the tests that need one, and the stories once more on it, and stops it.
# Further arguments are for the stories, such as the name of one.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/need.sh

programs() { ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n1; }
need openssl openssl version
need postgresql bash -c 'ls /usr/lib/postgresql/*/bin/initdb && psql --version'
bin=$(programs)

# It refuses to run as root.
as_owner() { if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi; }
room=$(mktemp -d "${TMPDIR:-/tmp}/authnzerver-postgres.XXXXXX")
if [ "$(id -u)" = 0 ]; then chown postgres "$room"; fi
end() {
    as_owner "$bin/pg_ctl" -D "$room/data" -m immediate stop >/dev/null 2>&1 || true
    rm -rf "$room"
}
trap end EXIT

as_owner "$bin/initdb" -D "$room/data" -A trust -U tests --no-sync >/dev/null
# A certificate for one name, and whoever vouches for it.
(
    cd "$room"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=tests -keyout ca.key -out ca.pem
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost -keyout data/server.key -out server.csr
    openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \
        -extfile <(printf 'subjectAltName=DNS:localhost') -out data/server.crt
    chmod 600 data/server.key
    if [ "$(id -u)" = 0 ]; then chown postgres data/server.key data/server.crt; fi
    chmod 755 .
) >"$room/openssl.log" 2>&1
port=$((20000 + RANDOM % 10000))
printf 'hostssl all guarded 127.0.0.1/32 scram-sha-256\nhostssl all guarded ::1/128 scram-sha-256\n' |
    as_owner tee -a "$room/data/pg_hba.conf" >/dev/null
sed -i '/^host.*trust$/d' "$room/data/pg_hba.conf"
# What is tested is kept nowhere, so nothing waits for the disk. Many servers of tests are connected at a time.
cat <<SETTINGS | as_owner tee -a "$room/data/postgresql.conf" >/dev/null
listen_addresses = 'localhost'
port = $port
ssl = on
password_encryption = 'scram-sha-256'
unix_socket_directories = '$room'
max_connections = 300
fsync = off
full_page_writes = off
synchronous_commit = off
max_locks_per_transaction = 256
SETTINGS
as_owner "$bin/pg_ctl" -D "$room/data" -l "$room/log" -w start >/dev/null
# What the tests look at with, in SQLite's words.
export PGPORT=$port
psql --no-psqlrc --quiet -v ON_ERROR_STOP=1 -h "$room" -U tests -d postgres <<'FUNCTIONS'
CREATE ROLE guarded LOGIN PASSWORD 'open sesame';
CREATE FUNCTION hex(BYTEA) RETURNS TEXT LANGUAGE sql IMMUTABLE AS $$ SELECT coalesce(upper(encode($1, 'hex')), '') $$;
CREATE FUNCTION zeroblob(INTEGER) RETURNS BYTEA LANGUAGE sql IMMUTABLE AS $$ SELECT decode(repeat('00', $1), 'hex') $$;
CREATE FUNCTION randomblob(INTEGER) RETURNS BYTEA LANGUAGE sql VOLATILE AS $$ SELECT substring(sha256(random()::text::bytea) FOR $1) $$;
CREATE FUNCTION datetime(TEXT, TEXT) RETURNS TEXT LANGUAGE sql IMMUTABLE AS $$ SELECT to_char($1::timestamp + $2::interval, 'YYYY-MM-DD HH24:MI:SS') $$;
CREATE FUNCTION joined(TEXT, TEXT) RETURNS TEXT LANGUAGE sql IMMUTABLE AS $$ SELECT concat_ws(',', $1, $2) $$;
CREATE FUNCTION joined(TEXT, TEXT, TEXT) RETURNS TEXT LANGUAGE sql IMMUTABLE AS $$ SELECT concat_ws($3, $1, $2) $$;
CREATE AGGREGATE group_concat(TEXT) (SFUNC = joined, STYPE = TEXT);
CREATE AGGREGATE group_concat(TEXT, TEXT) (SFUNC = joined, STYPE = TEXT);
FUNCTIONS

export TEST_POSTGRES="postgresql://tests@/postgres?host=$room/.s.PGSQL.$port&sslmode=disable"
export TEST_POSTGRES_TLS="postgresql://guarded:open%20sesame@localhost:$port/postgres?sslmode=verify-full&sslrootcert=$room/ca.pem"
cargo test --locked --lib -- store::postgres store::copy
# Left out is what counts the writes in SQLite's log, speaks of its schemas, or of one process that knows of
# all emails; and the second run, over HTTP.
skipped=(over_http upgraded:: in_one_write a_wrong_password_is_one_write a_login_is_one_write tells_nobody_who
    wrong_codes_tell_nobody what_every_sign_up_costs the_same_writes_whoever at_most_once_a_minute
    a_use_is_listed_at_once_and_written_down_later what_was_being_sent_is_sent_again)
cargo test --locked --test stories -- "${skipped[@]/#/--skip=}" "$@"
