#!/usr/bin/env bash
# Builds release and measures it: a table on stdout, all figures of all rounds in bench/results.json.
#
#   bench/run.sh [--rounds N] [--scale X] [--only commits|http|mcp|bus|firestore|reads|journal|rules|size] [--small] [--dir FOLDER]
#
# Figures of shared machines are noise; read the ratios, each to a yardstick of the same round.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
./tools/install-deps.sh
cmake --preset release >/dev/null
cmake --build --preset release --target se_bench state-engine statectl >/dev/null
if tests/rules/differential.sh --install build/release/json-logic-js; then
    set -- --json-logic-js build/release/json-logic-js "$@"
fi
if (source tests/mcp/install.sh && install_packages bench); then
    set -- --mcp-sdk build/mcp-tests "$@"
fi
exec build/release/bin/se_bench --dir build/release --json bench/results.json "$@"
