#!/usr/bin/env bash
# Installs what `make bench` measures beside the server, in target/peers: better-auth, where there is npm. If that cannot be done, says
# so and ends well: the benchmark leaves it out.
set -euo pipefail
cd "$(dirname "$0")/.."

from=examples/bench/peers/better-auth
made=${CARGO_TARGET_DIR:-target}/peers/better-auth

missing() {
    echo "better-auth: $*; it is not measured" >&2
    rm -f "$made/server.mjs"
    exit 0
}

if ! cmp -s "$from/package.json" "$made/package.json" || [ ! -e "$made/server.mjs" ]; then
    npm --version >/dev/null 2>&1 || missing 'there is no npm'
    echo "Preparing $made" >&2
    rm -rf "$made"
    mkdir -p "$made"
    cp "$from/package.json" "$made"
    (cd "$made" && npm install --silent --no-progress --no-package-lock) || missing 'npm cannot install it'
    (cd "$made" && node -e 'new (require("better-sqlite3"))(":memory:")') || missing 'its SQLite does not run'
fi
# Last, so that what was left half made is made anew.
cp "$from/server.mjs" "$made"
