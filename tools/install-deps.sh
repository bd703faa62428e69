#!/usr/bin/env bash
# Installs what the project needs from Debian 12: the one list of packages there is.
#
#   tools/install-deps.sh            what building and running needs
#   tools/install-deps.sh --all      and what only the tests need
#   tools/install-deps.sh [--all] --print     prints the list, installs nothing
#
# Needs root, or sudo. Quick when everything is there; starts no services.
set -euo pipefail

build_packages=(
    g++ cmake ninja-build pkg-config ccache mold git ca-certificates curl
    liblmdb-dev libsimdjson-dev libfmt-dev libboost1.81-dev libyaml-cpp-dev libcli11-dev
    libzstd-dev zlib1g-dev libssl-dev libnats-dev doctest-dev
    libgrpc++-dev libprotobuf-dev protobuf-compiler protobuf-compiler-grpc
)
test_packages=(
    clang-19 libclang-rt-19-dev  # fuzzing
    valgrind strace python3 jq
    python3-jsonschema python3-yaml  # the documents against live answers
    prometheus                   # promtool
    nats-server                  # the bus, started by tests on a free loopback port
    openssl                      # certificates and keys for it, made anew for each test
    default-jre-headless         # Google's Firestore emulator, where it is installed
    mmdebstrap e2fsprogs         # a bare Debian to try the README in; small real disks
)

# Any npm will do: one from elsewhere may not get along with Debian's.
npm_packages=(nodejs npm)        # the conformance suites of MCP

packages=("${build_packages[@]}")
print=false
all=false
for argument in "$@"; do
    case $argument in
        --all) all=true packages+=("${test_packages[@]}") ;;
        --print) print=true ;;
        -h | --help) sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 0 ;;
        *) echo "install-deps: unknown option $argument" >&2; exit 64 ;;
    esac
done

if $all && { $print || ! command -v npm >/dev/null; }; then
    packages+=("${npm_packages[@]}")
fi
if $print; then
    printf '%s\n' "${packages[@]}"
    exit 0
fi

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "install-deps: not a Debian. Install what matches these packages of Debian 12:" >&2
    printf '    %s\n' "${packages[@]}" >&2
    exit 1
fi

# One dpkg-query for all: this is all that happens when everything is there.
declare -A installed=()
while read -r status name; do
    if [[ $status == ii ]]; then installed[$name]=yes; fi
done <<<"$(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' "${packages[@]}" 2>/dev/null || true)"

missing=()
for package in "${packages[@]}"; do
    if [[ -z ${installed[$package]:-} ]]; then missing+=("$package"); fi
done
if ((${#missing[@]} == 0)); then
    exit 0
fi

if ((EUID != 0)); then
    if ! command -v sudo >/dev/null; then
        echo "install-deps: missing: ${missing[*]}" >&2
        echo "install-deps: installing them needs root, and there is no sudo" >&2
        exit 1
    fi
    exec sudo -- "$0" "$@"
fi

# A package must not start a service on the machine of whoever only wants to build. A policy that was
# there before comes back afterwards, also when an earlier run was killed in between.
policy=/usr/sbin/policy-rc.d
saved=$policy.before-install-deps
marker="# written by tools/install-deps.sh"
restore_policy() {
    if [[ -e $policy ]] && grep -qxF "$marker" "$policy"; then rm -f "$policy"; fi
    if [[ -e $saved ]]; then mv -f "$saved" "$policy"; fi
}
restore_policy
trap restore_policy EXIT
trap 'exit 130' INT TERM HUP
if [[ -e $policy ]]; then mv "$policy" "$saved"; fi
printf '#!/bin/sh\n%s\nexit 101\n' "$marker" >"$policy"
chmod 755 "$policy"

echo "installing: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt=(apt-get -q -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
"${apt[@]}" update || echo "install-deps: apt-get update failed, trying with the lists there are" >&2
"${apt[@]}" install -y --no-install-recommends "${missing[@]}" </dev/null
