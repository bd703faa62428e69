#!/usr/bin/env bash
# Proves both commands of the README in a bare Debian 12: makes one with mmdebstrap, clones HEAD into
# it, and runs tools/quickstart.sh (twice) and tools/test.sh in there. Needs root and the network.
#
#   tools/check-bare.sh [--quick] [--ccache DIR] [--keep]
#
#   --quick       tools/test.sh --fast instead of all tests
#   --ccache DIR  a compiler cache to share with other runs
#   --keep        leave the Debian where it is and say where
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

quick=false keep=false ccache=
while (($# > 0)); do
    case $1 in
        --quick) quick=true ;;
        --keep) keep=true ;;
        --ccache) ccache=${2:?--ccache needs a directory}; shift ;;
        -h | --help) sed -n '2,10s/^# \{0,1\}//p' "$0"; exit 0 ;;
        *) echo "check-bare: unknown option $1" >&2; exit 64 ;;
    esac
    shift
done
fail() { printf 'check-bare: %s\n' "$*" >&2; exit 1; }
((EUID == 0)) || fail "needs root"
command -v mmdebstrap >/dev/null || fail "needs mmdebstrap (tools/install-deps.sh --all)"
git rev-parse -q --verify HEAD >/dev/null || fail "there is no commit to check"
[[ -z $(git status --porcelain) ]] || echo "check-bare: takes HEAD; what is not committed is left out"

# All of it happens in one directory and one pid and mount namespace: when its first process ends,
# however it ends, the kernel ends the rest and takes the mounts away.
work=$(mktemp -d "${TMPDIR:-/var/tmp}/check-bare.XXXXXX")
inside=
cleanup() {
    if [[ -n $inside ]]; then
        kill -KILL "$inside" 2>/dev/null || true
        wait "$inside" 2>/dev/null || true
    fi
    if $keep; then
        echo "check-bare: kept in $work"
    else
        rm -rf --one-file-system "$work"
    fi
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP
root=$work/root

# Packages come from where this machine gets its own: its sources if it is a Debian 12 too, and its
# way to reach them (proxies, certificates, retries).
sources=()
if [[ $(. /etc/os-release && echo "${VERSION_CODENAME:-}") == bookworm ]]; then
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.{list,sources}; do
        if [[ -s $file ]]; then sources+=("$file"); fi
    done
fi
apt-config dump | grep -E '^Acquire::(http|https|ftp|Retries|Check-Valid-Until|Check-Date|Force)' \
    >"$work/apt.conf" || true

start=$SECONDS
echo "=== a bare Debian 12"
mmdebstrap --quiet --variant=minbase --mode=root --aptopt="$work/apt.conf" \
    bookworm "$root" "${sources[@]}"
for file in resolv.conf hosts; do
    if [[ -e /etc/$file ]]; then cp -L "/etc/$file" "$root/etc/$file"; fi
done
git clone -q --no-hardlinks . "$root/root/state-engine"
git -C "$root/root/state-engine" checkout -q --detach "$(git rev-parse HEAD)"
if [[ -n $ccache ]]; then
    mkdir -p "$ccache" "$root/root/.cache/ccache"
    ccache=$(realpath "$ccache")
fi
echo "    $((SECONDS - start)) s"

# What runs inside, as a person would type it.
cat >"$root/root/prove" <<'END'
#!/bin/bash
set -euo pipefail
cd /root/state-engine

echo "=== tools/quickstart.sh"
start=$SECONDS
./tools/quickstart.sh
echo "    $((SECONDS - start)) s"

echo "=== what it started answers"
[[ $(build/release/bin/statectl get stream.state -o json) == *'"on"'* ]]
curl -fsS --noproxy '*' http://127.0.0.1:3000/v1/state/stream.state
echo

echo "=== tools/quickstart.sh again"
start=$SECONDS
./tools/quickstart.sh </dev/null | tee /root/second
grep -q 'already runs' /root/second
took=$((SECONDS - start))
echo "    $took s"
((took <= 20)) || { echo "a second run must take seconds"; exit 1; }

echo "=== tools/test.sh $*"
start=$SECONDS
./tools/test.sh "$@" </dev/null 2>&1 | tee /root/tests
echo "    $((SECONDS - start)) s"
tail -n 1 /root/tests | grep -qE '^[0-9]+ passed, 0 failed, [0-9]+ skipped$'
[[ -z $(git status --porcelain) ]] || { git status --short; echo "the checkout is no longer clean"; exit 1; }
END
chmod 755 "$root/root/prove"

# The first process of the namespace: mounts what a machine has, then becomes the proof.
cat >"$work/enter" <<'END'
#!/bin/bash
set -euo pipefail
root=$1 ccache=$2
shift 2
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=755 dev "$root/dev"
for device in null zero full random urandom tty; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/shm" "$root/dev/pts"
mount -t tmpfs -o mode=1777 shm "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts" && ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
for n in 0 1 2; do
    ln -s "/proc/self/fd/$n" "$root/dev/$(cut -d' ' -f$((n + 1)) <<<'stdin stdout stderr')"
done
if [[ -n $ccache ]]; then mount --bind "$ccache" "$root/root/.cache/ccache"; fi
chroot "$root" /root/prove "$@"
END

passed_on=(PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8)
for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY TERM; do
    if [[ -n ${!name:-} ]]; then passed_on+=("$name=${!name}"); fi
done
if [[ -s /etc/ssl/certs/ca-certificates.crt ]]; then
    cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/certificates-outside.crt"
    passed_on+=(NODE_EXTRA_CA_CERTS=/etc/certificates-outside.crt)
fi
arguments=()
if $quick; then arguments+=(--fast); fi

env -i "${passed_on[@]}" unshare --mount --pid --fork --kill-child --propagation private \
    bash "$work/enter" "$root" "$ccache" "${arguments[@]}" </dev/null &
inside=$!
status=0
wait "$inside" || status=$?
inside=
((status == 0)) || fail "failed (exit $status) after $(((SECONDS - start) / 60)) min"
echo "check-bare: both commands work in a bare Debian 12 ($(((SECONDS - start) / 60)) min)"
