#!/usr/bin/env bash
# Tests clients/php as whoever installs it has it: packed, and installed from the package into a folder of its own.
# `test-php.sh FOLDER` makes everything in that folder; test-clients.sh calls it.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tools/need.sh
export CLIENTS=$PWD/clients
made=$1/php

need php-cli php -r 'exit((int) (PHP_VERSION_ID < 80200));'
need composer composer --no-interaction --version
# Reads packages from a folder.
need php-zip php -r 'exit((int) !extension_loaded("zip"));'
# A PSR-18 client to try, and requests and responses of PSR-7.
need php-guzzlehttp-guzzle php -r 'require "GuzzleHttp/autoload.php";'

echo 'clients/php: its package'
mkdir -p "$made/packages" "$made/installed"
find clients/php -name '*.php' -print0 | xargs -0 -n 50 php -l >"$made/lint.log" || { cat "$made/lint.log" >&2; exit 1; }
export COMPOSER_HOME=$made/composer COMPOSER_ALLOW_SUPERUSER=1 COMPOSER_NO_INTERACTION=1
composer validate --quiet --no-check-publish --working-dir=clients/php
composer archive --quiet --working-dir=clients/php --format=tar --dir="$made/packages"

echo 'clients/php: from the package'
cat >"$made/installed/composer.json" <<EOF
{
    "repositories": [{ "type": "artifact", "url": "$made/packages" }, { "packagist.org": false }],
    "require": { "authnzerver/client": "0.1.0" }
}
EOF
composer install --quiet --no-progress --working-dir="$made/installed"
export AUTOLOAD=$made/installed/vendor/autoload.php
for tests in clients/php/tests/{vectors,hostile,live,tls,site,psr15,readme}.php; do
    php -d zend.assertions=1 "$tests"
done
