#!/usr/bin/env bash
# Builds and runs every test there is. The last line is `N passed, N failed, N skipped`; each skip is
# named with its reason before it. Exits 0 only if nothing failed.
#
#   tools/test.sh           all of it
#   tools/test.sh --fast    the dev build and the tests that take seconds
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fast=false
for argument in "$@"; do
    case $argument in
        --fast) fast=true ;;
        -h | --help) sed -n '2,6s/^# \{0,1\}//p' "$0"; exit 0 ;;
        *) echo "test: unknown option $argument" >&2; exit 64 ;;
    esac
done

jobs=$(nproc)
results=build/test-results
minutes=()   # one line a part
failures=()  # parts that failed outside a test: install, configure, build, a crashed ctest
rm -rf "$results"
mkdir -p "$results"

# part NAME COMMAND...: runs it, notes how long it took, and goes on if it fails: one run shows all.
part() {
    local name=$1 start=$SECONDS status=0
    shift
    printf '\n=== %s\n' "$name"
    "$@" || status=$?
    minutes+=("$(awk -v s=$((SECONDS - start)) -v n="$name" 'BEGIN { printf "%6.1f min  %s", s / 60, n }')")
    if ((status != 0)); then failures+=("$name"); fi
}

# build PRESET [TARGET...]: the log only matters when it fails.
build() {
    local preset=$1 log=$results/$1.build.log
    shift
    if ! { cmake --preset "$preset" && cmake --build --preset "$preset" ${1:+--target "$@"}; } \
        >"$log" 2>&1; then
        grep -E -A12 'FAILED:|error|Error' "$log" | head -n 120 || tail -n 60 "$log"
        echo "the build of $preset failed; all of its output is in $log"
        return 1
    fi
}

# run_tests PRESET LABELS [NAMES [BUT-NOT]]: a failing test is counted by the summary, so it is no failure of the
# part.
run_tests() {
    local preset=$1 labels=$2 names=${3:-.} but_not=${4:-} run=()
    # g++ 12's thread sanitizer cannot map its shadow when addresses are randomized too widely.
    if [[ $preset == tsan ]] && setarch "$(uname -m)" -R true 2>/dev/null; then
        run=(setarch "$(uname -m)" -R)
    fi
    local report=$PWD/$results/$preset.xml
    "${run[@]}" ctest --preset "$preset" -L "^($labels)\$" -R "$names" ${but_not:+-E "$but_not"} \
        -j "$jobs" --no-tests=ignore \
        --test-output-size-passed 100000 --test-output-size-failed 1000000 \
        --output-junit "$report" </dev/null || true
    [[ -s $report ]] || { echo "ctest left no report"; return 1; }
}

build_and_test() {
    build "$1" && run_tests "$1" "$2"
}

# The core builds and passes its tests with no library of HTTP, NATS or gRPC. Its objects are release's, out of
# the compiler cache, so what goes through everything there is (each bit, each call) is left to that.
core() {
    build core && run_tests core fast '^(base|journal|projection|engine|structure)/' "$exhaustions"
}
exhaustions='every|any |anywhere|whatever|whichever|wherever|random|never cut'

# statectl is release's business: its folder's tests start the real programs, and they run there.
memory() {
    build asan test_base test_journal test_projection test_engine test_egress test_intake test_mcp test_adapters \
        test_sim simulator test_daemon state-engine &&
        run_tests asan 'fast|daemon|sim' '^(base|journal|projection|engine|egress|intake|mcp|adapters|daemon|sim)/|^simulator'
}

# Threads are in the adapters (runners, log), in verify, and in the daemon: its doors while the engine
# opens, its commits, its log. All else is one thread's by design, and the address sanitizer's run has
# seen it. A daemon in which a race was seen does not end with 0.
threads() {
    build tsan test_adapters test_journal test_daemon state-engine &&
        run_tests tsan 'fast|daemon' "^adapters/|^journal/.*threads|^daemon/($daemon_threads)"
}
daemon_threads='SIGTERM|SIGHUP|a long wait|requests while|kill -9|a damaged store|after a failed write'

# mcp SCRIPT: one of tests/mcp that prints a line for each test, PASSED or FAILED.
mcp() {
    local log=$results/$1.log status=0
    "tests/mcp/$1.sh" build/release/bin | tee "$log" || status=$?
    python3 - "$log" "$results/$1.xml" <<'END'
import sys
import xml.etree.ElementTree as xml

suite, case = xml.Element("testsuite", name="mcp"), None
for line in open(sys.argv[1]):
    word = line.split(" ", 1)[0]
    if word in ("PASSED", "FAILED", "SKIP:"):
        case = xml.SubElement(suite, "testcase", name="mcp/" + line.strip(), status="run")
        xml.SubElement(case, "system-out").text = line
        if word == "FAILED":
            xml.SubElement(case, "failure", message=line.strip())
if case is None:
    sys.exit(f"{sys.argv[1]}: not one test")
xml.ElementTree(suite).write(sys.argv[2])
END
    # What failed is counted by the summary, if it is there.
    ((status == 0 || status == 77)) || grep -q '^FAILED' "$log"
}

# Adds up the reports: prints every failure and every skip, then the one last line. A test that says
# `SKIP: name: reason` and passes is a skip; one that says so and fails has failed.
summary() {
    python3 - "$results" "$@" <<'END'
import pathlib, re, sys
import xml.etree.ElementTree as xml

passed, failed, skipped = 0, 0, 0
failures, skips = [], []
for report in sorted(pathlib.Path(sys.argv[1]).glob("*.xml")):
    part = report.stem
    for case in xml.parse(report).getroot().iter("testcase"):
        name = f"{part}: {case.get('name')}"
        output = "".join(out.text or "" for out in case.iter("system-out"))
        reasons = re.findall(r"^SKIP: .*$", output, re.MULTILINE)
        status = case.get("status")
        if status == "run" and case.find("failure") is None:
            if reasons:
                skipped += 1
                skips += [f"{reason} [{part}]" for reason in reasons]
            else:
                passed += 1
        elif status in ("notrun", "disabled") and case.find("failure") is None:
            why = case.find("skipped")
            why = why.get("message", "") if why is not None else "disabled"
            if "SKIP_RETURN_CODE" in why:
                skipped += 1
                reasons = reasons or [f"SKIP: {case.get('name')}: its exit code says so"]
                skips += [f"{reason} [{part}]" for reason in reasons]
            elif status == "disabled":
                skipped += 1
                skips.append(f"SKIP: {case.get('name')}: disabled [{part}]")
            else:  # not built, missing file: it was meant to run
                failed += 1
                failures.append(f"{name}: {why or 'did not run'}")
        else:
            failed += 1
            failures.append(name)
for part in sys.argv[2:]:
    failed += 1
    failures.append(f"{part}: did not build or run")
for line in failures:
    print("FAILED:", line)
for line in skips:
    print(line)
if passed + failed == 0:
    print("FAILED: no test ran")
    failed = 1
print(f"{passed} passed, {failed} failed, {skipped} skipped")
sys.exit(failed != 0)
END
}

part "install" ./tools/install-deps.sh --all
if $fast; then
    part "dev: fast" build_and_test dev fast
else
    part "release: fast, daemon, simulator" build_and_test release 'fast|daemon|sim'
    part "the core without HTTP, NATS and gRPC" core
    part "MCP: the official conformance suites" mcp conformance
    part "MCP: official clients" mcp clients
    part "address and undefined behaviour sanitizers" memory
    part "thread sanitizer" threads
    if compgen -G 'tests/fuzz/*.cc' >/dev/null; then
        part "fuzzers, a smoke test" build_and_test fuzz fuzz
    fi
fi

printf '\n=== minutes\n'
printf '%s\n' "${minutes[@]}"
awk -v s="$SECONDS" 'BEGIN { printf "%6.1f min  in all\n", s / 60 }'
printf '\n'
summary "${failures[@]}"
