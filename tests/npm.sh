# shellcheck shell=bash
# Sourced by the tests that run programs of others from npm.

# npm_ci NAME FROM WORK: installs into WORK what FROM/package-lock.json pins. What was installed from the same lock file
# is good as it is. Exits 77 with a skip of NAME when the registry cannot be reached and nothing is installed, 1 when
# something else went wrong. The machine's own certificates count, as they do for everybody else on it.
npm_ci() {
    local name=$1 from=$2 work=$3 certificates=/etc/ssl/certs/ca-certificates.crt lock
    mkdir -p "$work"
    # Of tests that need the same at the same time one installs, and the others wait for it.
    exec {lock}>"$work/installing"
    flock "$lock"
    if cmp -s "$from/package-lock.json" "$work/installed.json"; then
        exec {lock}>&-
        return
    fi
    rm -f "$work/installed.json"
    command -v npm >/dev/null || { echo "FAILED: npm is missing (tools/install-deps.sh --all)"; exit 1; }
    cp "$from/package.json" "$from/package-lock.json" "$work/"
    if [[ -z ${NODE_EXTRA_CA_CERTS:-} && -f $certificates ]]; then export NODE_EXTRA_CA_CERTS=$certificates; fi
    if ! npm ci --prefix "$work" --no-audit --no-fund --ignore-scripts --fetch-retries 1 >"$work/npm.log" 2>&1; then
        if grep -qE 'ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|_CERT_|CERT_IN_CHAIN|code E(403|407|50[0-9])|ERR! network|error network' \
            "$work/npm.log"; then
            echo "SKIP: $name: the npm registry cannot be reached ($(grep -oE 'code [A-Z_]+' "$work/npm.log" | head -n 1)), and nothing is installed yet"
            exit 77
        fi
        tail -n 20 "$work/npm.log"
        echo "FAILED: npm ci; all it said is in $work/npm.log"
        exit 1
    fi
    cp "$from/package-lock.json" "$work/installed.json"
    exec {lock}>&-
}
