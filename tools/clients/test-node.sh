#!/usr/bin/env bash
# Tests clients/node as whoever installs it has it: packed, and installed from the package into a folder of its own.
# `test-node.sh FOLDER` makes everything in that folder; test-clients.sh calls it.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tools/need.sh
export CLIENTS=$PWD/clients
made=$1/node

need nodejs node --version
need npm npm --version
node -e 'process.exit(Number(process.versions.node.split(".")[0] < 20))' ||
    { echo "clients/node needs Node 20 or newer; this is $(node --version)" >&2; exit 1; }

echo 'clients/node: its package'
mkdir -p "$made"
cp -r clients/node/{package.json,package-lock.json,tsconfig.json,README.md,src} "$made"
(cd "$made" && npm ci --silent --no-progress && npm pack --silent >/dev/null)

echo 'clients/node: from the package'
# Inside the folder of what the tests need beside it; the package itself is found here first.
mkdir "$made/installed"
echo '{ "private": true }' >"$made/installed/package.json"
(cd "$made/installed" && npm install --silent --no-progress --no-save "$made"/authnzerver-client-*.tgz)
# What the guide runs its program with.
npm install --silent --no-progress --no-save --prefix "$made/pm2" pm2@7.0.4
export PM2=$made/pm2/node_modules/.bin/pm2
cp -r clients/node/tests "$made/installed/tests"
cd "$made/installed"
node --test --test-reporter=dot tests/
# The README's examples are there now.
"$made/node_modules/.bin/tsc" --noEmit --strict --allowJs --checkJs --module nodenext --target es2022 --skipLibCheck \
    --ignoreConfig --types node tests/types.mts tests/example-{first,express}.mjs
