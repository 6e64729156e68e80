#!/usr/bin/env bash
# Tests the Rust client: `test-rust.sh FOLDER`, from test-clients.sh. It is packed as for a registry, unpacked, and tested
# there; one of the tests is a program that depends on what was unpacked.
set -euo pipefail
cd "$(dirname "$0")/../.."

made=$1
# What the server needs too is built already.
export CARGO_TARGET_DIR=$(realpath "${CARGO_TARGET_DIR:-target}")
export AUTHNZERVER_CLIENTS=$PWD/clients

echo 'clients/rust: formatting and lints'
cargo fmt --check --manifest-path clients/rust/Cargo.toml
cargo clippy --quiet --locked --all-targets --manifest-path clients/rust/Cargo.toml -- -D warnings
cargo clippy --quiet --locked --no-default-features --manifest-path clients/rust/Cargo.toml -- -D warnings

echo 'clients/rust: from its package'
cargo package --quiet --locked --allow-dirty --no-verify --manifest-path clients/rust/Cargo.toml 2>"$made/package.log" ||
    { cat "$made/package.log" >&2; exit 1; }
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' clients/rust/Cargo.toml | head -n1)
mkdir -p "$made/rust"
# As of now, for all files of a package are dated alike, and cargo goes by that.
tar -xzmf "$CARGO_TARGET_DIR/package/authnzerver-client-$version.crate" -C "$made/rust"
cd "$made/rust/authnzerver-client-$version"
cargo test --quiet --locked
