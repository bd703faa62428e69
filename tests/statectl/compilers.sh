#!/usr/bin/env bash
# A journal is decided the same whatever compiled the program: statectl is built by g++ and clang++, at
# -O0 and at -O3; each decides the same proposals under rules full of numbers, and each replays what each
# of the others wrote, which must be without a difference. Then one decision, one computed value and one
# fired action are changed in a journal, checksums put right: each program must find each, at its seq. The
# cases for JsonLogic must print the same bytes from all of them.
#
#   tests/statectl/compilers.sh WORK [BIN…]
#
# Builds into WORK/<compiler>-<level>; a BIN is the bin/ of one more build to take part. Prints a line for
# each thing held against the rest, and last `N passed, N failed`.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
if (($# < 1)) || [[ $1 == -* ]]; then
    sed -n '2,11s/^# \{0,1\}//p' "$0" >&2
    exit 64
fi
work=$1
shift
mkdir -p "$work"
work=$(cd "$work" && pwd)

builds=()  # name=bin
for bin in "$@"; do
    builds+=("given$((${#builds[@]} + 1))=$(cd "$bin" && pwd)")
done
for compiler in g++ clang++-19; do
    for level in -O0 -O3; do
        name=$compiler$level
        if ! { cmake -S "$root" -B "$work/$name" -G Ninja -DCMAKE_CXX_COMPILER="$compiler" \
            -DCMAKE_BUILD_TYPE=Release -DSE_OPTIMIZE="$level" -DSE_UNITY=ON &&
            cmake --build "$work/$name" --target statectl; } >"$work/$name.log" 2>&1; then
            tail -n 30 "$work/$name.log" >&2
            echo "compilers: $name does not build; all of its output is in $work/$name.log" >&2
            exit 1
        fi
        echo "built $name"
        builds+=("$name=$work/$name/bin")
    done
done

exec python3 "$here/compilers.py" "$work" "${builds[@]}"
