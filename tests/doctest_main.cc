// The main of every test program. A test that cannot run here prints one line to stdout,
// `SKIP: <name>: <reason>`, and returns; tools/test.sh counts it as skipped and shows the reason.

#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>
