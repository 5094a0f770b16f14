#!/usr/bin/env bash
# Builds a real metrics-server from its Go module into a cache folder (once) and prints the path of the program. Needs Go.
set -euo pipefail
version=0.9.0
cache="${GATEHOUSE_CACHE:-$HOME/.cache/gatehouse}/metrics-server-$version"
if [ -x "$cache/metrics-server" ]; then echo "$cache/metrics-server"; exit 0; fi

fresh="$cache.new.$$"
mkdir -p "$fresh"
trap 'rm -rf "$fresh"' EXIT
# Runs in whatever image a test has.
GOBIN="$fresh" CGO_ENABLED=0 go install -trimpath -ldflags='-s -w' "sigs.k8s.io/metrics-server/cmd/metrics-server@v$version"
rm -rf "$cache"
mv "$fresh" "$cache"
trap - EXIT
echo "$cache/metrics-server"
