// The platform's first use of the engine, with a real nats-server and Google's emulator behind one
// daemon: tests/nats/first_use.mjs says what must be where.

#include <doctest/doctest.h>
#include <sys/wait.h>

#include <cstdlib>

#include "tests/firestore/emulator.h"
#include "tests/places.h"

namespace se::test {

TEST_CASE(
    "a mutation over the bus or from an agent is a state document, a log document, a result on the "
    "bus and an event by a rule") {
    if (Emulator::skipped("a mutation over the bus or from an agent is a state document")) return;
    const Emulator emulator;
    const std::string command = source_dir() + "/tests/nats/client.sh " + bin_dir() + " " +
                                bin_dir() + "/../firestore-nats-client first_use " +
                                emulator.address();
    const int status = std::system(command.c_str());
    REQUIRE(WIFEXITED(status));
    constexpr int kSkip = 77;  // it has said why
    if (WEXITSTATUS(status) != kSkip) CHECK(WEXITSTATUS(status) == 0);
}

}  // namespace se::test
