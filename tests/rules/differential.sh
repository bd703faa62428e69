#!/usr/bin/env bash
# Holds our JsonLogic against json-logic-js: generated rules and data through both, and the same with
# mistakes planted in ours, which must be noticed. A difference is shown as the smallest rule and data that
# still differ.
#
#   tests/rules/differential.sh BIN WORK [--cases N] [--seed N] [--no-canaries]
#   tests/rules/differential.sh --install WORK      only makes WORK/node_modules/json-logic-js
#
# BIN holds statectl and rule_canaries; WORK is a folder for json-logic-js, installed there as
# package-lock.json pins it. Exits 77, a skip, when there is no node or the npm registry is not reachable.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

skip() {
    echo "SKIP: rules/differential: $1"
    exit 77
}

install_oracle() {
    if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
        skip "there is no node or no npm (tools/install-deps.sh --all)"
    fi
    mkdir -p "$work"
    if cmp -s "$here/package-lock.json" "$work/installed.json"; then return; fi
    cp "$here/package.json" "$here/package-lock.json" "$work/"
    if ! npm ci --prefix "$work" --ignore-scripts --no-audit --no-fund --fetch-retries 1 \
        >"$work/npm.log" 2>&1; then
        if grep -qE 'ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH' \
            "$work/npm.log"; then
            skip "the npm registry is not reachable, and json-logic-js is not installed yet"
        fi
        tail -n 20 "$work/npm.log"
        echo "FAILED: npm ci; all it said is in $work/npm.log"
        exit 1
    fi
    cp "$here/package-lock.json" "$work/installed.json"
}

if [[ ${1:-} == --install && $# == 2 ]]; then
    work=$2
    install_oracle
    exit 0
fi
if (($# < 2)); then
    sed -n '2,11s/^# \{0,1\}//p' "$0" >&2
    exit 64
fi
bin=$1 work=$2
shift 2
install_oracle
exec node "$here/differential.mjs" --bin "$bin" --oracle "$work" "$@"
