#!/usr/bin/env bash
# What ctest runs in the place of tests that could not be built:
#
#   tests/absent.sh NAME LIBRARY PACKAGE [ASKED]
#
# Says which and why, and exits 77, a skip. Fails where Debian's PACKAGE is installed, unless ASKED names the
# option that left the library out: what is there must be tested.
set -euo pipefail
name=$1 library=$2 package=$3 asked=${4:-}

if [[ -n $asked ]]; then
    echo "SKIP: $name: built without $library, as $asked asks"
    exit 77
fi
if dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null | grep -q '^ii'; then
    echo "$package is installed, and this build did not find $library"
    exit 1
fi
echo "SKIP: $name: built without $library (tools/install-deps.sh)"
exit 77
