#!/usr/bin/env bash
# From a fresh checkout to a running engine, without a question: installs what is missing, builds,
# starts state-engine on 127.0.0.1:3000 with its data in ./data, and writes a first value.
# Run it again at any time: it builds what changed and leaves a running engine alone.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export STATE_ENGINE_DATA=${STATE_ENGINE_DATA:-./data}
data=$STATE_ENGINE_DATA
port=${SERVICE_PORT:-${PORT:-3000}}
url=http://127.0.0.1:$port
bin=build/release/bin
log=./state-engine.log
start_timeout_s=60

say() { printf '%s\n' "$*"; }
fail() { printf 'quickstart: %s\n' "$*" >&2; exit 1; }

# What the engine of this data directory, and no other that may listen on the port, says to /readyz:
# 200, 503, or 000 when none runs.
readiness() {
    curl -sS -m 5 --noproxy '*' -o /dev/null -w '%{http_code}' \
        --unix-socket "$data/engine.sock" http://localhost/readyz 2>/dev/null || true
}

port_ready() { curl -fsS -m 5 --noproxy '*' -o /dev/null "$url/readyz" 2>/dev/null; }

# The writer holds store.json open for as long as it lives: no pid file that could be out of date.
engine_pid() {
    local store handle process
    store=$(realpath "$data/store.json" 2>/dev/null) || return 0
    while read -r handle; do
        process=${handle%/fd/*}
        if [[ $(readlink "$process/exe") == */state-engine* ]]; then
            echo "${process#/proc/}"
            return 0
        fi
    done < <(find /proc/[0-9]*/fd -lname "$store" 2>/dev/null)
}

./tools/install-deps.sh

say "building build/release (minutes the first time, seconds later) ..."
mkdir -p build
if ! { cmake --preset release && cmake --build --preset release --target state-engine statectl; } \
        >build/quickstart.log 2>&1; then
    tail -n 40 build/quickstart.log >&2
    fail "the build failed; all of its output is in build/quickstart.log"
fi

found=$(readiness)
if [[ $found != 000 ]]; then
    pid=$(engine_pid)
    say "an engine already runs on $data${pid:+ (pid $pid)}; it stays as it is"
    [[ $found == 200 ]] || fail "it is not ready (/readyz says $found); its log is $log"
else
    setsid nohup "$bin/state-engine" >>"$log" 2>&1 </dev/null &
    pid=$!
    for ((tenths = 0; ; ++tenths)); do
        if [[ $(readiness) == 200 ]] && port_ready; then break; fi
        if ! kill -0 "$pid" 2>/dev/null; then
            tail -n 20 "$log" >&2
            fail "state-engine did not start (is $url taken?); its log is $log"
        fi
        if ((tenths >= start_timeout_s * 10)); then
            tail -n 20 "$log" >&2
            fail "state-engine (pid $pid) is not ready after $start_timeout_s s; its log is $log"
        fi
        sleep 0.1
    done
    say "state-engine runs: pid $pid, $url, data in $data, log in $log"
fi

if [[ -z $("$bin/statectl" list -o jsonl) ]]; then
    say "an empty store: a first mutation"
    "$bin/statectl" set stream.state '"on"' --reason "first steps" --id quickstart-first-steps
fi

say "
try next:
    $bin/statectl get stream.state
    $bin/statectl set stream.state off --reason 'the show is over'
    $bin/statectl list
    $bin/statectl history stream.state
    $bin/statectl journal cat
    $bin/statectl tail
    curl -s $url/v1/state/stream.state
    curl -s $url/v1/mutations -H 'Content-Type: application/json' \\
        -d '{\"op\":\"set\",\"key\":\"stream.state\",\"value\":\"on\",\"reason\":\"by hand\"}'
    curl -sN $url/v1/changes
to stop it:
    kill ${pid:-PID}"
