#!/usr/bin/env bash
# Tests the clients: that what is generated is up to date, and then each as whoever installs it has it, built and
# installed from its package, with the vectors and a conversation with the built server. Everything is made in
# target/clients. Asks for what is missing, by the one command that brings it.
set -euo pipefail
cd "$(dirname "$0")/.."

target=$(realpath "${CARGO_TARGET_DIR:-target}")
export AUTHNZERVER=$target/debug/authnzerver MAIL_PYTHON=$target/python/bin/python PYTHONDONTWRITEBYTECODE=1
made=$target/clients
rm -rf "$made"
mkdir -p "$made"

echo 'clients: what is generated is up to date'
"$MAIL_PYTHON" tools/clients/generate.py --check "$AUTHNZERVER"
cp clients/vectors.json "$made/vectors.json"
"$MAIL_PYTHON" tools/clients/vectors.py --to "$made/vectors.new.json"
cmp -s "$made/vectors.json" "$made/vectors.new.json" || { echo 'clients/vectors.json is stale: run "make clients"' >&2; exit 1; }

echo 'clients/python: its packages'
python3 -m venv "$made/build"
"$made/build/bin/python" -m pip install --quiet --disable-pip-version-check --requirement clients/tests/requirements.txt
cp -r clients/python "$made/python"
"$made/build/bin/python" -m build --no-isolation --outdir "$made/dist" "$made/python" >"$made/build.log" 2>&1 ||
    { cat "$made/build.log" >&2; exit 1; }
"$made/build/bin/mypy" --strict --cache-dir "$made/mypy" clients/python/src

for package in "$made"/dist/*.whl "$made"/dist/*.tar.gz; do
    echo "clients/python: from ${package##*/}"
    rm -rf "$made/installed"
    python3 -m venv "$made/installed"
    "$made/installed/bin/python" -m pip install --quiet --disable-pip-version-check "$package"
    case $package in
    *.whl)
        tests='test_*.py'
        "$made/installed/bin/python" -m pip install --quiet --disable-pip-version-check --requirement clients/tests/frameworks.txt
        ;;
    # The same files from another package: that all are there is enough.
    *) tests='test_vectors.py' ;;
    esac
    "$made/installed/bin/python" -W ignore -m unittest discover --start-directory clients/python/tests --pattern "$tests"
done

tools/clients/test-go.sh "$made"
tools/clients/test-node.sh "$made"
tools/clients/test-php.sh "$made"
tools/clients/test-rust.sh "$made"
