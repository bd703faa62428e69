#!/usr/bin/env bash
# Runs the official conformance suites of the Model Context Protocol against the real transports (the program
# mcp_fixture). One line a run: `PASSED n/m suite revision`, or FAILED with what failed.
#
#   tests/mcp/conformance.sh [BIN]      BIN: where mcp_fixture is; default build/release/bin
#
# Exits 0 when all passed, 77 (a skip, with its reason) when the suites cannot be had (install.sh), else 1.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

here=tests/mcp
bin=${1:-build/release/bin}
source tests/mcp/install.sh
[[ -x $bin/mcp_fixture ]] || { echo "FAILED: there is no $bin/mcp_fixture; build it first"; exit 1; }

install_packages mcp/conformance

rm -f "$work/url"  # of an earlier run: it would be taken for this one's
"$bin/mcp_fixture" >"$work/url" &
fixture=$!
trap 'kill "$fixture" 2>/dev/null || true; wait "$fixture" 2>/dev/null || true' EXIT
for ((i = 0; i < 100; ++i)); do
    [[ -s $work/url ]] && break
    sleep 0.1
done
url=$(head -n 1 "$work/url" 2>/dev/null || true)
[[ -n $url ]] || { echo "FAILED: mcp_fixture did not start"; exit 1; }

status=0
# run TITLE LEAST PACKAGE ALLOW OPTIONS...: one suite. LEAST: so many checks pass at least; fewer, and it broke off or
# left something out. ALLOW yes: scenarios of does_not_apply.txt may miss, and do; the suite does not count those.
run() {
    local title=$1 least=$2 package=$3 allow=$4 results code=0
    shift 4
    results=$work/results
    rm -rf "$results"
    "$node" "$work/node_modules/$package/dist/index.js" server --url "$url" "$@" -o "$results" \
        >"$work/output" 2>&1 || code=$?
    python3 - "$results" "$here/does_not_apply.txt" "$allow" "$title" "$least" "$code" <<'END' || status=1
import json, pathlib, re, sys

results, rows, allow, title = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "yes", sys.argv[4]
least, code = int(sys.argv[5]), int(sys.argv[6])
lines = [line.split(None, 1) for line in open(rows) if line.strip() and not line.startswith("#")]
excused = {name: why for name, why in lines} if allow else {}
passed, missed, excused_misses, scenarios = 0, [], 0, 0
met = set()
for folder in sorted(results.iterdir()) if results.is_dir() else []:
    checks = folder / "checks.json"
    name = re.sub(r"^server-|-\d{4}-\d\d-\d\dT.*$", "", folder.name)
    if not checks.is_file():
        missed.append(f"    {name}: began and left no checks")
        continue
    scenarios += 1
    for check in json.loads(checks.read_text()):
        if check["status"] == "SUCCESS":
            passed += 1
        elif check["status"] in ("FAILURE", "WARNING"):
            if name in excused:
                excused_misses += 1
                met.add(name)
            else:
                missed.append(f"    {name}: {check['id']}: {check.get('errorMessage', check['status'])}")
stale = sorted(set(excused) - met)
total = passed + len(missed) + excused_misses
ok = scenarios > 0 and not missed and not stale and passed >= least and code == 0
note = f" (the other {excused_misses} are of the {len(met)} scenarios in {rows})" if met else ""
print(f"{'PASSED' if ok else 'FAILED'} {passed}/{total} {title}{note}")
for line in missed:
    print(line)
for name in stale:
    print(f"    {name} is in {rows} and misses nothing")
if scenarios == 0:
    print("    no scenario ran")
if passed < least:
    print(f"    {passed} checks passed, {least} did before")
if code != 0:
    print(f"    the suite ended with exit code {code}")
sys.exit(not ok)
END
    [[ $status == 0 ]] || tail -n 5 "$work/output" >&2
}

run "conformance 0.1.16 --suite all, 2025-11-25" 47 conformance-sessions no --suite all
run "conformance 0.2.0-alpha.12 --suite all, 2025-11-25" 84 conformance-modern no \
    --suite all --spec-version 2025-11-25
run "conformance 0.2.0-alpha.12 --suite all, 2026-07-28" 153 conformance-modern no \
    --suite all --spec-version 2026-07-28
run "conformance 0.2.0-alpha.12 --requirements with extensions, 2026-07-28" 165 conformance-modern yes \
    --requirements 2026-07-28
exit "$status"
