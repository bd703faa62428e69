#!/usr/bin/env bash
# Fills an emulator as BitBrat's engine would, by Google's own client (write_documents.mjs).
#
#   tests/firestore/write_documents.sh WORK HOST:PORT PROJECT PROPOSALS
#
# Exits 0, 1, or 77 (a skip, with its reason) when the client cannot be had.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
source tests/npm.sh
mkdir -p "$1"
work=$(realpath "$1")
npm_ci "firestore/write_documents" tests/firestore "$work"
cp tests/firestore/write_documents.mjs "$work/"
export METADATA_SERVER_DETECTION=none
FIRESTORE_EMULATOR_HOST=$2 exec timeout 120 node "$work/write_documents.mjs" "$3" "$(realpath "$4")"
