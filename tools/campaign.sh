#!/usr/bin/env bash
# Looks for trouble for hours: what CI does a fixed share of, with new seeds every time. It goes round
# until the time is over: simulator seeds, kill -9 storms, power cuts under the shim, every fuzzer. Each
# failure is named with the line that shows it again, and kept below build/campaign/.
#
#   tools/campaign.sh --hours H      H may be a fraction: 0.1 is six minutes
#   tools/campaign.sh --hours H --seed N     begins with seed N instead of one taken from the clock
#   tools/campaign.sh --hours H --only simulator     nothing but seeds of the simulator, on all cores
#
# The last lines are how often each fault was injected and each promise was checked by the simulator, what was
# done of each kind, and `N rounds, N failed`. Exits 0 only if nothing failed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() { sed -n '2,11s/^# \{0,1\}//p' "$0"; }

hours='' seed=$(date +%s) only=''
while (($# > 0)); do
    case $1 in
        --hours | --seed)
            if (($# < 2)); then echo "campaign: $1 needs a number" >&2; exit 64; fi
            if [[ $1 == --hours ]]; then hours=$2; else seed=$2; fi
            shift 2 ;;
        --only)
            if [[ ${2:-} != simulator ]]; then echo "campaign: --only takes simulator" >&2; exit 64; fi
            only=$2
            shift 2 ;;
        -h | --help) usage; exit 0 ;;
        *) echo "campaign: unknown option $1" >&2; exit 64 ;;
    esac
done
if ! [[ $hours =~ ^[0-9]+(\.[0-9]+)?$ ]]; then
    echo "campaign: say how long: --hours 2" >&2
    exit 64
fi
if ! [[ $seed =~ ^[0-9]+$ ]]; then
    echo "campaign: --seed takes a whole number, not $seed" >&2
    exit 64
fi

folder=$PWD/build/campaign/$seed
found=$PWD/build/campaign/corpus  # what fuzzers have found, kept from campaign to campaign
bin=$PWD/build/release/bin fuzz=$PWD/build/fuzz/bin
mkdir -p "$folder" "$found"

presets=(release)
if [[ -z $only ]]; then presets+=(fuzz); fi
for preset in "${presets[@]}"; do
    if ! { cmake --preset "$preset" && cmake --build --preset "$preset"; } >"$folder/$preset.log" 2>&1; then
        tail -n 40 "$folder/$preset.log"
        echo "campaign: the build of $preset failed; all of its output is in $folder/$preset.log" >&2
        exit 1
    fi
done

until=$((SECONDS + $(awk -v h="$hours" 'BEGIN { printf "%d", h * 3600 }')))
rounds=0 failed=0
declare -A counts=() seconds=()
failures=()

# try KIND AGAIN COMMAND...: one piece of work. AGAIN is the line that repeats it.
try() {
    local kind=$1 again=$2 log=$folder/$1.log start=$SECONDS status=0
    shift 2
    if [[ $(type -t "$1") == function ]]; then
        "$@" >"$log" 2>&1 </dev/null || status=$?
    else
        timeout -k 10 1800 "$@" >"$log" 2>&1 </dev/null || status=$?
    fi
    seconds[$kind]=$((${seconds[$kind]:-0} + SECONDS - start))
    rounds=$((rounds + 1))
    if ((status != 0)); then
        failed=$((failed + 1))
        mv "$log" "$folder/failure-$failed-$kind.log"
        failures+=("$kind, exit code $status: $again
    (all of its output: $folder/failure-$failed-$kind.log)")
        echo "FAILED: ${failures[-1]}"
    fi
    return 0
}
count() { counts[$1]=$((${counts[$1]:-0} + $2)); }

# lives FIRST: simulator_seeds of them on each core, every other chunk a swarm. Each process tells of its own.
lives() {
    local first=$1 core running=() swarm
    for ((core = 0; core < cores; core++)); do
        local from=$((first + core * simulator_seeds))
        local to=$((from + simulator_seeds - 1))
        swarm=$(((from / simulator_seeds) % 4 != 0))  # three of four
        (
            options=(--seeds "$from-$to")
            if ((swarm)); then options+=(--swarm); fi
            "$bin/simulator" "${options[@]}" --report "$folder/lives-$from.json" >"$folder/lives-$from.log" 2>&1 ||
                { grep '^seed=' "$folder/lives-$from.log"; echo "again: simulator ${options[*]}"; exit 1; }
            rm "$folder/lives-$from.log"
        ) &
        running+=($!)
    done
    local status=0 one
    for one in "${running[@]}"; do wait "$one" || status=1; done
    return $status
}

# What all reports say together: every count that there is.
counts_of_lives() {
    compgen -G "$folder/lives-*.json" >/dev/null || return 0
    python3 - "$folder" <<'END'
import collections
import json
import pathlib
import sys

total = collections.Counter()
def add(value, name):
    if isinstance(value, dict):
        for key, part in value.items():
            add(part, f"{name}.{key}" if name else key)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        total[name] += value
for report in pathlib.Path(sys.argv[1]).glob("lives-*.json"):
    add(json.loads(report.read_text()), "")
for name, count in sorted(total.items()):
    print(f"{count:12d}  {name}")
END
}

simulator_seeds=500 power_cuts=100 kills=40 fuzz_seconds=120 cores=$(nproc)
while ((SECONDS < until)); do
    try simulator "see its lines" lives "$seed"
    count simulator $((simulator_seeds * cores))
    if [[ -n $only ]]; then
        seed=$((seed + simulator_seeds * cores))
        continue
    fi

    ((SECONDS < until)) || break
    try power_cuts "SE_STORM_SEED=$seed SE_SHIM_ROUNDS=$power_cuts test_shim" \
        env SE_STORM_SEED="$seed" SE_SHIM_ROUNDS=$power_cuts "$bin/test_shim"
    count power_cuts $power_cuts

    ((SECONDS < until)) || break
    try kills "SE_STORM_SEED=$seed SE_KILL9_ROUNDS=$kills test_daemon --test-case='kill -9*'" \
        env SE_STORM_SEED="$seed" SE_KILL9_ROUNDS=$kills "$bin/test_daemon" --test-case='kill -9*'
    count kills $kills

    for program in "$fuzz"/fuzz_*; do
        left=$((until - SECONDS))
        ((left > 0)) || break
        name=${program##*/fuzz_}
        mkdir -p "$found/$name"
        words=()
        if [[ -e tests/fuzz/$name.dict ]]; then words=("-dict=tests/fuzz/$name.dict"); fi
        try "fuzz_$name" "$program $folder/$name-*" "$program" -seed=$((seed % 4294967296)) \
            -max_total_time=$((left < fuzz_seconds ? left : fuzz_seconds)) -timeout=25 \
            -rss_limit_mb=4096 -artifact_prefix="$folder/$name-" "${words[@]}" \
            "$found/$name" "tests/fuzz/corpus/$name"
        runs=$(sed -n 's/^#\([0-9]*\)[[:space:]]*DONE.*/\1/p' "$folder/fuzz_$name.log" 2>/dev/null || true)
        count "fuzz_$name" "${runs:-0}"
    done
    seed=$((seed + simulator_seeds * cores))
done

echo
counts_of_lives
echo
for kind in $(printf '%s\n' "${!counts[@]}" | sort); do
    printf '%12d  %-16s %8.1f min\n' "${counts[$kind]}" "$kind" \
        "$(awk -v s="${seconds[$kind]:-0}" 'BEGIN { print s / 60 }')"
done
for failure in "${failures[@]}"; do echo "FAILED: $failure"; done
echo "$rounds rounds, $failed failed"
((failed == 0))
