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

source "$here/../npm.sh"

install_oracle() {
    if ! command -v node >/dev/null; then
        echo "SKIP: rules/differential: there is no node (tools/install-deps.sh --all)"
        exit 77
    fi
    npm_ci rules/differential "$here" "$work"
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
