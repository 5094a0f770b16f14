#!/usr/bin/env bash
# Installs a real code-server from npm into a cache folder (once; about 3 minutes) and prints the path of its command.
# Needs Node 24 as `node`, a C++ compiler and libkrb5-dev (`apt-get install g++ make libkrb5-dev`).
set -euo pipefail
version=4.139.1
cache="${GATEHOUSE_CACHE:-$HOME/.cache/gatehouse}/code-server-$version"
if [ -x "$cache/bin/code-server" ]; then echo "$cache/bin/code-server"; exit 0; fi
case "$(node -v)" in v24.*) ;; *) echo "code-server needs Node 24, this is $(node -v)" >&2; exit 1 ;; esac

natives=(node-pty @vscode/spdlog @parcel/watcher @vscode/sqlite3 native-watchdog kerberos @vscode/deviceid)

# Newer npm runs no install script that package.json doesn't approve.
rebuild() {
  node - "$@" <<'EOF'
const { readFileSync, writeFileSync } = require('node:fs')
const project = JSON.parse(readFileSync('package.json', 'utf8'))
project.allowScripts = Object.fromEntries(process.argv.slice(2).map((name) => [name, true]))
writeFileSync('package.json', JSON.stringify(project, null, 2))
EOF
  npm rebuild "$@"
}

fresh="$cache.new.$$"
mkdir -p "$fresh/bin"
trap 'rm -rf "$fresh"' EXIT
log="$cache.log"
install() {
  cd "$fresh"
  printf '{"private":true}\n' >package.json
  npm install "code-server@$version" --ignore-scripts --no-audit
  rebuild argon2
  cd node_modules/code-server/lib/vscode
  npm install --omit=dev --ignore-scripts --no-audit
  rebuild "${natives[@]}"
  node -e 'for (const name of ["node-pty", "@vscode/spdlog", "@parcel/watcher", "@vscode/sqlite3"]) require(name)'
  cd extensions
  npm install --omit=dev --ignore-scripts --no-audit
}
# Not "if ! install": bash ignores -e inside of a condition, and a failed step would go unnoticed.
exec 3>&2
trap 'tail -n 20 "$log" >&3' ERR
(install) >"$log" 2>&1
trap - ERR
# A Node of its own, because the one that installs it may be gone tomorrow and the one on PATH may be older.
program="$(node -p process.execPath)"
ln "$program" "$fresh/bin/node" 2>/dev/null || cp "$program" "$fresh/bin/node"
cat >"$fresh/bin/code-server" <<EOF
#!/bin/sh
exec "$cache/bin/node" "$cache/node_modules/code-server/out/node/entry.js" "\$@"
EOF
chmod +x "$fresh/bin/code-server"
rm -rf "$cache"
mv "$fresh" "$cache"
trap - EXIT
echo "$cache/bin/code-server"
