#!/usr/bin/env bash
# The official JavaScript client against a real nats-server and the real daemon: every message that BitBrat's producers
# put on the subject, the cases of its contract, and its durable taken over. One line a case: `PASSED nats client …`.
#
#   tests/nats/client.sh [BIN] [WORK] [PROGRAM WORD...]
#
# BIN: where state-engine is; WORK: where the client is installed; PROGRAM: client (client.mjs), or another beside it.
#
# Exits 0 when all passed, 77 (a skip, with its reason) when the client cannot be had, else 1.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
bin=$(realpath "${1:-build/release/bin}")
work=${2:-build/nats-tests}

if ! command -v node >/dev/null; then
    echo "SKIP: nats/client: there is no node (tools/install-deps.sh --all)"
    exit 77
fi
server=$(command -v nats-server || echo /usr/sbin/nats-server)
[[ -x $server ]] || { echo "FAILED: there is no nats-server (tools/install-deps.sh --all)"; exit 1; }
[[ -x $bin/state-engine ]] || { echo "FAILED: there is no $bin/state-engine; build it first"; exit 1; }
source tests/npm.sh
npm_ci nats/client tests/nats "$work"
cp tests/nats/*.mjs "$work/"  # beside the packages that they import
exec timeout 300 node "$work/${3:-client}.mjs" "$bin" "$server" tests/golden/bitbrat_mutations.json \
    tests/golden/nats_bitbrat_configs.json "${@:4}"
