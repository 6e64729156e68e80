#!/usr/bin/env bash
# Checks the files of deploy/image against the schemas of those who read them, then has image.py build the image and run it.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tools/need.sh
built=${CARGO_TARGET_DIR:-target}
need buildah buildah --version
need caddy caddy version
need curl curl --version

schemas=$built/schemas
if [ ! -e "$schemas/done" ]; then
    python3 -m venv "$schemas"
    "$schemas/bin/pip" install -q --disable-pip-version-check check-jsonschema==0.39.0 kubernetes-validate==1.37.0
    touch "$schemas/done"
fi
"$schemas/bin/check-jsonschema" --builtin-schema vendor.compose-spec deploy/image/compose.yml
"$schemas/bin/kubernetes-validate" --strict deploy/image/kubernetes.yml
"$built/python/bin/python" -B tests/packages/image.py --archive="$(tools/archive.sh "$(uname -m)-unknown-linux-musl")"
