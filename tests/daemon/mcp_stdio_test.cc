// The real `state-engine mcp` and its host: what the two streams between them may be, and how it
// ends.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <string>
#include <thread>
#include <utility>

#include "tests/adapters/temporary_directory.h"
#include "tests/daemon/daemon_process.h"
#include "tests/places.h"

using namespace se;
using namespace se::test;

namespace {

constexpr const char* kInitialize =
    R"({"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25",)"
    R"("capabilities":{},"clientInfo":{"name":"test","version":"1"}}})";
constexpr const char* kRead =
    R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_state","arguments":{"keys":["a"]}}})";

enum class Stream : std::uint8_t { pipe, socket };

/// A host: two streams to a process of its own.
class Host {
public:
    Host(const std::string& data, Stream stream) {
        std::array<int, 2> in{}, out{};
        if (stream == Stream::pipe) {
            REQUIRE(::pipe2(in.data(), O_CLOEXEC) == 0);
            REQUIRE(::pipe2(out.data(), O_CLOEXEC) == 0);
        } else {
            REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, in.data()) == 0);
            REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, out.data()) == 0);
        }
        const std::string program = bin_dir() + "/state-engine";
        flags_before_ = ::fcntl(out[1], F_GETFL);
        theirs_ = ::fcntl(out[1], F_DUPFD_CLOEXEC, 0);
        pid_ = ::fork();
        if (pid_ == 0) {
            ::dup2(in[0], STDIN_FILENO);
            ::dup2(out[1], STDOUT_FILENO);
            ::execl(program.c_str(), program.c_str(), "mcp", "--data", data.c_str(), nullptr);
            ::_exit(127);
        }
        ::close(in[0]);
        ::close(out[1]);
        to_ = in[1];
        from_ = out[0];
    }
    ~Host() {
        close_input();
        ::close(from_);
        ::close(theirs_);
        if (pid_ > 0) {
            ::kill(pid_, SIGKILL);
            ::waitpid(pid_, nullptr, 0);
        }
    }
    Host(const Host&) = delete;
    Host& operator=(const Host&) = delete;

    void say(std::string line) {
        line += '\n';
        REQUIRE(::write(to_, line.data(), line.size()) == static_cast<ssize_t>(line.size()));
    }
    std::string hear() {
        while (heard_.find('\n') == heard_.npos) {
            pollfd ready{.fd = from_, .events = POLLIN, .revents = 0};
            REQUIRE(::poll(&ready, 1, 60'000) == 1);
            std::array<char, 65536> some;
            const ssize_t got = ::read(from_, some.data(), some.size());
            REQUIRE(got > 0);
            heard_.append(some.data(), static_cast<std::size_t>(got));
        }
        std::string line = heard_.substr(0, heard_.find('\n'));
        heard_.erase(0, line.size() + 1);
        return line;
    }
    void begin() {
        say(kInitialize);
        CHECK(hear().find("\"protocolVersion\":\"2025-11-25\"") != std::string::npos);
        say(R"({"jsonrpc":"2.0","method":"notifications/initialized"})");
    }
    std::string ask(std::string line) {
        say(std::move(line));
        return hear();
    }
    void close_input() {
        if (to_ >= 0) ::close(std::exchange(to_, -1));
    }
    void signal(int number) { ::kill(pid_, number); }
    /// How it ended.
    int exit_code() {
        int status = 0;
        for (int tries = 0; tries < 6000; ++tries) {
            if (::waitpid(pid_, &status, WNOHANG) == pid_) {
                pid_ = -1;
                return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
        FAIL("it does not end");
        return -1;
    }
    int to() const { return to_; }
    /// The flags of its standard output, which are its host's to choose.
    bool flags_are_as_before() const { return ::fcntl(theirs_, F_GETFL) == flags_before_; }

private:
    pid_t pid_ = -1;
    int to_ = -1, from_ = -1, theirs_ = -1, flags_before_ = 0;
    std::string heard_;
};

}  // namespace

TEST_CASE("state-engine mcp: told to stop while it waits for its host it ends, with 0") {
    TemporaryDirectory folder;
    DaemonProcess daemon({.data = folder.path() + "/data"});
    daemon.start();
    for (const Stream stream : {Stream::pipe, Stream::socket}) {
        for (const int signal : {SIGTERM, SIGINT}) {
            CAPTURE(signal);
            Host host(folder.path() + "/data", stream);
            host.begin();
            CHECK(host.ask(kRead).find("\"a\":null") != std::string::npos);
            CHECK(host.flags_are_as_before());
            host.signal(signal);
            CHECK(host.exit_code() == 0);
        }
        Host host(folder.path() + "/data", stream);
        host.begin();
        host.close_input();
        CHECK(host.exit_code() == 0);
    }
}

TEST_CASE("state-engine mcp: what was written is read, and what others write too") {
    TemporaryDirectory folder;
    DaemonProcess daemon({.data = folder.path() + "/data"});
    daemon.start();
    Host one(folder.path() + "/data", Stream::pipe), other(folder.path() + "/data", Stream::socket);
    one.begin();
    other.begin();
    for (int i = 1; i <= 20; ++i) {
        Host& writer = i % 2 == 0 ? one : other;
        Host& reader = i % 2 == 0 ? other : one;
        const std::string done = writer.ask(
            R"({"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"propose_mutation","arguments":)"
            R"({"op":"set","key":"a","value":)" +
            std::to_string(i) + R"(,"reason":"test"}}})");
        REQUIRE_MESSAGE(done.find("accepted") != std::string::npos, done);
        for (Host* host : {&reader, &writer}) {
            const std::string seen = host->ask(kRead);
            CHECK_MESSAGE(seen.find("\"value\":" + std::to_string(i) + ",") != std::string::npos,
                          seen);
        }
    }
}

TEST_CASE("state-engine mcp: a claim that a header cannot carry is refused, and reaches no daemon") {
    TemporaryDirectory folder;
    DaemonProcess daemon({.data = folder.path() + "/data"});
    daemon.start();
    Host host(folder.path() + "/data", Stream::pipe);
    host.begin();
    const auto propose = [&](const std::string& meta) {
        return host.ask(
            R"({"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"propose_mutation","arguments":)"
            R"({"key":"a","value":1,"reason":"test"},"_meta":)" + meta + "}}");
    };
    std::string many;
    for (int i = 0; i < 32; ++i) many += (many.empty() ? "\"" : ",\"") + std::string(200, 'r') + '"';
    const std::pair<std::string, std::string> refused[] = {
        {R"({"userId":"mallory\r\nx-roles: admin"})", "userId must have no control characters"},
        {R"({"userId":"mallory\u0000"})", "userId must have no control characters"},
        {R"({"userId":"alice","userRoles":["viewer\nx-user-id: root"]})", "no control characters"},
        {R"({"userId":"alice","userRoles":["viewer,admin"]})", "no commas"},
        {R"({"userId":"alice","userRoles":[)" + many + "]}", "at most 4096 bytes together"}};
    for (const auto& [meta, why] : refused) {
        const std::string answer = propose(meta);
        CHECK_MESSAGE(answer.find(why) != std::string::npos, answer);
        CHECK(answer.find("\"isError\":true") != std::string::npos);
    }
    const std::string done = propose(R"({"userId":"alice","userRoles":["viewer","regular"]})");
    CHECK_MESSAGE(done.find("accepted") != std::string::npos, done);
    CHECK(daemon.stop() == 0);
    int mutations = 0;
    for (const Json& record : records_of(daemon.data())) {
        if (record.find("kind")->string() != "accepted") continue;
        ++mutations;
        CHECK(*record.find("actor") == Json("alice"));
    }
    CHECK(mutations == 1);
}

TEST_CASE(
    "state-engine mcp: a host that does not read is waited for, and told to stop it still ends") {
    TemporaryDirectory folder;
    DaemonProcess daemon({.data = folder.path() + "/data"});
    daemon.start();
    for (const Stream stream : {Stream::pipe, Stream::socket}) {
        Host host(folder.path() + "/data", stream);
        host.begin();
        // More answers than any buffer between the two holds, none of them read.
        constexpr int kCalls = 3000;
        std::thread asking([&] {
            for (int i = 0; i < kCalls; ++i) host.say(kRead);
        });
        std::size_t lines = 0;
        for (; lines < kCalls; ++lines) {
            if (lines == 5) std::this_thread::sleep_for(std::chrono::milliseconds(300));
            const std::string line = host.hear();
            REQUIRE_MESSAGE(line.find("\"a\":null") != std::string::npos, line);
        }
        asking.join();
        CHECK(lines == kCalls);
        for (int i = 0; i < 400; ++i) host.say(kRead);
        host.signal(SIGTERM);
        CHECK(host.exit_code() == 0);
    }
}
