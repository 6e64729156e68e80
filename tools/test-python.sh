#!/usr/bin/env bash
# Makes the Python environment that the tests use, in target/python, unless it is there already; or another one:
# test-python.sh NAME REQUIREMENTS. Needs Python 3 with its module venv; says at once, before anything is built, what is
# missing and the one command that brings it.
set -euo pipefail
cd "$(dirname "$0")/.."

environment=${CARGO_TARGET_DIR:-target}/${1:-python}
wanted=${2:-tests/requirements.txt}
installed=$environment/installed.txt

fail() {
    printf 'This cannot run yet: %s\n' "$*" >&2
    exit 1
}

if cmp -s "$wanted" "$installed" && "$environment/bin/python" -c ''; then exit 0; fi

python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null ||
    fail 'Python 3.10 or newer is missing. On Debian and Ubuntu: sudo apt-get install python3-venv'
python3 -c 'import ensurepip, venv' 2>/dev/null ||
    fail 'Python lacks its module venv. On Debian and Ubuntu: sudo apt-get install python3-venv'

echo "Preparing $environment" >&2
rm -rf "$environment"
mkdir -p "$(dirname "$environment")"
python3 -m venv "$environment" || fail "python3 -m venv $environment failed; its message stands above."
"$environment/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$wanted" ||
    fail "the packages of $wanted could not be installed; pip's message stands above. Run \"make\" again."
# Last, so that an environment that was left half made is made anew.
cp "$wanted" "$installed"
