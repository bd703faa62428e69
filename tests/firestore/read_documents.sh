#!/usr/bin/env bash
# Holds the documents of an emulator against a list of entries, by Google's own client (read_documents.mjs).
#
#   tests/firestore/read_documents.sh WORK HOST:PORT PROJECT LIST PROPOSALS
#
# WORK: where the client is installed, once. Exits 0, 1 when something differs, 77 (a skip, with its reason) when the client
# cannot be had.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
source tests/npm.sh
mkdir -p "$1"
work=$(realpath "$1")
npm_ci "firestore/read_documents" tests/firestore "$work"
cp tests/firestore/read_documents.mjs "$work/"
# There is no machine of Google's to be asked who we are.
export METADATA_SERVER_DETECTION=none
FIRESTORE_EMULATOR_HOST=$2 exec timeout 300 node "$work/read_documents.mjs" "$3" "$(realpath "$4")" "$5"
