#!/usr/bin/env bash
# Tests the Go client: `test-go.sh FOLDER`, from test-clients.sh. It is packed as a module, fetched through a proxy that
# is a folder, and tested where it was installed.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tools/need.sh
need golang-go go version

made=$1
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n1)
# Whoever removes the folder may: Go would make what it fetched read-only.
export GOENV=off GOTOOLCHAIN=local GOSUMDB=off GOFLAGS='-mod=mod -modcacherw' CGO_ENABLED=0
# What is built for one run is there for the next.
export GOCACHE=$made/../go-build GOPATH=$made/go-path GOPROXY=file://$made/go-proxy
# Go remembers what a version consists of, which here is another each time.
export GODEBUG=goindex=0
export AUTHNZERVER_CLIENTS=$PWD/clients

echo 'clients/go: formatting and lints'
unformatted=$(gofmt -l clients/go)
[ -z "$unformatted" ] || { echo "gofmt would change $unformatted" >&2; exit 1; }
(cd clients/go && go vet ./...)

echo "clients/go: from version $version in a module proxy"
python3 -B tools/clients/pack_go.py "$version" "$made/go-proxy"
mkdir "$made/go-user"
cd "$made/go-user"
{ go mod init user.example/user && go get "authnzerver.example/authnzerver@v$version"; } >"$made/go-get.log" 2>&1 ||
    { cat "$made/go-get.log" >&2; exit 1; }
go test -count=1 authnzerver.example/authnzerver/... | grep -v 'no test files'
