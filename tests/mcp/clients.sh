#!/usr/bin/env bash
# Runs official MCP clients against the real programs: the TypeScript SDK over stdio, Streamable HTTP and legacy SSE,
# the newer client for 2026-07-28, the inspector's command line, and the recorded transcript of the legacy door.
# One line a client: `PASSED mcp client …`, or FAILED with why.
#
#   tests/mcp/clients.sh [BIN]      BIN: where state-engine is; default build/release/bin
#
# Exits 0 when all passed, 77 (a skip, with its reason) when the clients cannot be had (install.sh), else 1.
set -euo pipefail
bin=$(realpath "${1:-$(dirname "${BASH_SOURCE[0]}")/../../build/release/bin}")
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

source tests/mcp/install.sh
[[ -x $bin/state-engine ]] || { echo "FAILED: there is no $bin/state-engine; build it first"; exit 1; }
install_packages mcp/clients
cp tests/mcp/*.mjs "$work/"  # beside the packages that they import
exec timeout 300 "$node" "$work/clients.mjs" "$bin" \
    "$work/node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js" tests/mcp/transcript.json
