#!/usr/bin/env bash
# Runs one of the programs beside it that read and write documents with Google's own client.
#
#   tests/firestore/client.sh WORK HOST:PORT PROGRAM WORD...
#
# WORK: where the client is installed, once. Exits as the program does, 77 (a skip, with its reason) when the client cannot be
# had. Without a program it only installs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
source tests/npm.sh
mkdir -p "$1"
work=$(realpath "$1")
npm_ci "firestore/${3:-client}" tests/firestore "$work"
cp tests/firestore/*.mjs "$work/"
[[ $# -gt 2 ]] || exit 0
# There is no machine of Google's to be asked who we are.
export METADATA_SERVER_DETECTION=none
FIRESTORE_EMULATOR_HOST=$2 exec timeout 300 node "$work/$3.mjs" "${@:4}"
