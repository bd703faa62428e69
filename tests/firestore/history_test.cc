// A real history through the real daemon, and its documents read by Google's own client as the
// platform's code reads them.

#include <doctest/doctest.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <thread>

#include "tests/adapters/temporary_directory.h"
#include "tests/daemon/daemon_process.h"
#include "tests/firestore/emulator.h"
#include "tests/places.h"

namespace se::test {
namespace {

using namespace std::chrono_literals;

const std::string kRealHistory = source_dir() + "/../shared/data/repo_history_mutations.jsonl.gz";
constexpr int kProposals = 55'688;
constexpr int kSkip = 77;

struct Said {
    int exit = -1;
    std::string out;
};

Said run_shell(const std::string& command) {
    Said said;
    FILE* const pipe = ::popen(command.c_str(), "r");
    REQUIRE(pipe != nullptr);
    std::array<char, 4096> bytes{};
    while (const std::size_t got = std::fread(bytes.data(), 1, bytes.size(), pipe))
        said.out.append(bytes.data(), got);
    const int status = ::pclose(pipe);
    said.exit = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return said;
}

}  // namespace

TEST_CASE("55,688 proposals of a real history are documents as Google's own client reads them") {
    const char* const name = "55,688 proposals of a real history are documents";
    if (Emulator::skipped(name)) return;
    if (!std::filesystem::exists(kRealHistory)) {
        std::cout << "SKIP: " << name
                  << ": ../shared/data/repo_history_mutations.jsonl.gz is not there\n";
        return;
    }
    const Emulator emulator;
    const TemporaryDirectory folder;
    DaemonProcess daemon({.data = folder.path() + "/data",
                          .arguments = {"--firestore-bootstrap"},
                          .environment = {"FIRESTORE_EMULATOR_HOST=" + emulator.address()},
                          .policy = "allowedKeys: [\"*\"]\nrules: []\n"});
    daemon.start();
    const std::string statectl = bin_dir() + "/statectl --data " + daemon.data() + " ";
    REQUIRE(run_shell(statectl + "import " + kRealHistory + " >/dev/null 2>&1").exit == 0);
    const auto until = std::chrono::steady_clock::now() + 300s;
    for (;;) {
        const Json status = json_of(run_shell(statectl + "firestore status -o json").out);
        REQUIRE_MESSAGE(*status.find("phase") != Json("stopped"), to_text(status));
        if (*status.find("phase") == Json("following") && *status.find("lag") == Json(0)) break;
        REQUIRE_MESSAGE(std::chrono::steady_clock::now() < until, to_text(status));
        std::this_thread::sleep_for(100ms);
    }
    CHECK(run_shell(statectl + "firestore diff").exit == 0);
    const std::string list = folder.path() + "/list";
    REQUIRE(run_shell(statectl + "list -o jsonl >" + list).exit == 0);
    const Said read =
        run_shell(source_dir() + "/tests/firestore/client.sh " + bin_dir() +
                  "/../firestore-client " + emulator.address() + " read_documents state-engine " +
                  list + " " + std::to_string(kProposals) + " 2>&1");
    std::cout << read.out;
    if (read.exit != kSkip) CHECK_MESSAGE(read.exit == 0, read.out);
    CHECK(daemon.stop() == 0);
}

}  // namespace se::test
