// What surrounds the programs: standard streams that are closed, full or a terminal, and signals.

#include <doctest/doctest.h>
#include <signal.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "tests/adapters/temporary_directory.h"
#include "tests/statectl/programs.h"

namespace {

using namespace se;

/// Through a shell, that ends its streams as `redirected` says: "2>&-".
Words with_streams(const std::string& redirected, Words words) {
    words.insert(words.begin(), {"bash", "-c", "exec \"$@\" " + redirected, "bash"});
    return words;
}

/// As a person at a terminal would see it.
Ran at_a_terminal(Words words) {
    words.insert(words.begin(), {"python3", "-c", "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)"});
    return run(words);
}

TEST_CASE("streams: the files of a store never stand in for closed ones") {
    TemporaryDirectory folder;
    const Tool statectl{folder.path() + "/data"};
    statectl.must({"set", "user.fact.a", "1"});
    const std::string store = slurp(statectl.data + "/store.json");

    CHECK(run(with_streams("2>&-", statectl.command({"import", "-"})), "{bad\n").exit == 0);
    CHECK(slurp(statectl.data + "/store.json") == store);
    const Ran no_input = run(with_streams("<&-", statectl.command({"import", "-"})));
    CHECK(no_input.exit == 1);
    CHECK(no_input.err.find("stdin") != std::string::npos);
    CHECK(run(with_streams(">&-", statectl.command({"list"}))).exit == 1);
    CHECK(member(statectl.must({"get", "user.fact.a"}), "value") == "1");

    const Running daemon(with_streams(
        "2>&-", {program("state-engine"), "--data", statectl.data, "--port", "0"}));
    while (!std::filesystem::exists(statectl.data + "/engine.sock"))
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    const std::string stderr_of_it = "/proc/" + std::to_string(daemon.pid()) + "/fd/2";
    CHECK(std::filesystem::read_symlink(stderr_of_it) == "/dev/null");
}

TEST_CASE("streams: a stderr that takes nothing does not change the exit code") {
    TemporaryDirectory folder;
    const Tool statectl{folder.path() + "/data"};
    CHECK(run(with_streams("2>/dev/full", statectl.command({"set", "forbidden.key", "x"}))).exit == 3);
    CHECK(run(with_streams("2>/dev/full", statectl.command({"nosuch"}))).exit == 64);
}

TEST_CASE("streams: at a terminal records are a table, elsewhere lines as they stand") {
    TemporaryDirectory folder;
    const Tool statectl{folder.path() + "/data"};
    statectl.must({"set", "user.fact.a", "1"});
    for (const Words& words : {Words{"journal", "cat"}, Words{"journal", "tail"},
                               Words{"journal", "grep", "--kind", "accepted"}}) {
        CAPTURE(words[1]);
        const Ran shown = at_a_terminal(statectl.command(words));
        CHECK(shown.exit == 0);
        CHECK(shown.out.find("user.fact.a") != std::string::npos);
        CHECK(shown.out.find("{\"seq\":") == std::string::npos);
        CHECK(statectl.must(words).starts_with("{\"seq\":"));
    }
}

TEST_CASE("streams: the signals of one wish to end leave a watch the time to say where it was") {
    TemporaryDirectory folder;
    const Tool statectl{folder.path() + "/data"};
    statectl.must({"set", "user.fact.a", "1"});
    const std::string output = folder.path() + "/out", said = folder.path() + "/err";
    Running watch(with_streams("2>" + said, statectl.command({"watch", "--since", "0.0"})), output);
    while (slurp(output).empty()) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    for (int i = 0; i < 50; ++i) {  // the process is not waited for yet: its pid stays its own
        watch.signal(SIGTERM);
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    CHECK(watch.wait() == 0);
    CHECK(slurp(said).find("--since ") != std::string::npos);
}

TEST_CASE("streams: an interrupt ends an import that waits for input, and cuts no line in two") {
    TemporaryDirectory folder;
    const Tool statectl{folder.path() + "/data"};
    const std::string output = folder.path() + "/out", said = folder.path() + "/err";
    // Somebody who writes half a line and then neither goes on nor hangs up.
    const std::string fifo = folder.path() + "/fifo";
    CHECK(run({"mkfifo", fifo}).exit == 0);
    const Running writer({"bash", "-c", "exec >\"$1\"; printf '{\"op\":'; exec sleep 600", "bash", fifo});
    Running import(with_streams("<" + fifo + " 2>" + said, statectl.command({"import", "-", "-o", "json"})), output);
    while (!std::filesystem::exists(statectl.data + "/store.json"))
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    import.signal(SIGINT);
    CHECK(import.wait() == 1);
    CHECK(member(slurp(output), "proposals") == "0");
}

}  // namespace
