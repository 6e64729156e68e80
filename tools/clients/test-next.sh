#!/usr/bin/env bash
# Tests clients/node under Next itself: the README's example in a program that is built and served. Next is large (340 MB),
# so this is not among what test-clients.sh does.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tools/need.sh
target=$(realpath "${CARGO_TARGET_DIR:-target}")
export AUTHNZERVER=$target/debug/authnzerver MAIL_PYTHON=$target/python/bin/python PYTHONDONTWRITEBYTECODE=1
export CLIENTS=$PWD/clients
made=$target/next

need nodejs node --version
need npm npm --version

echo 'clients/node: its package'
rm -rf "$made"
mkdir -p "$made/package"
cp -r clients/node/{package.json,package-lock.json,tsconfig.json,README.md,src} "$made/package"
(cd "$made/package" && npm ci --silent --no-progress && npm pack --silent >/dev/null)

echo 'clients/node: under Next'
mkdir "$made/program"
cp -r clients/node/next/. "$made/program"
cd "$made/program"
# Also what Next would take for the program's folder otherwise.
echo '{ "private": true, "type": "module" }' >package.json
echo "export default { turbopack: { root: import.meta.dirname } };" >next.config.mjs
npm install --silent --no-progress next@16.4.6 react@19.3.1 react-dom@19.3.1 "$made"/package/authnzerver-client-*.tgz
node --test --test-reporter=dot journey.test.mjs
