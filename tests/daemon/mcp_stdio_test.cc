// The real `state-engine mcp` and its host: what the two streams between them may be, how it ends, and
// what becomes of proposals and reads beside a daemon, one that hangs included.

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
#include <vector>

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
    Host(const std::string& data, Stream stream, std::vector<std::string> arguments = {}) {
        std::array<int, 2> in{}, out{};
        if (stream == Stream::pipe) {
            REQUIRE(::pipe2(in.data(), O_CLOEXEC) == 0);
            REQUIRE(::pipe2(out.data(), O_CLOEXEC) == 0);
        } else {
            REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, in.data()) == 0);
            REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, out.data()) == 0);
        }
        arguments.insert(arguments.begin(), {bin_dir() + "/state-engine", "mcp", "--data", data});
        std::vector<char*> words;
        for (std::string& argument : arguments) words.push_back(argument.data());
        words.push_back(nullptr);
        flags_before_ = ::fcntl(out[1], F_GETFL);
        theirs_ = ::fcntl(out[1], F_DUPFD_CLOEXEC, 0);
        pid_ = ::fork();
        if (pid_ == 0) {
            ::dup2(in[0], STDIN_FILENO);
            ::dup2(out[1], STDOUT_FILENO);
            ::execv(words[0], words.data());
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

/// A proposal of the tool. `meta`: of the request, an object.
std::string proposal_of(const std::string& key, const std::string& id, const std::string& meta = "{}") {
    return R"({"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"propose_mutation","arguments":)"
           R"({"key":")" + key + R"(","value":1,"reason":"test","id":")" + id + R"("},"_meta":)" + meta + "}}";
}

bool says(const std::string& line, std::string_view text) { return line.find(text) != std::string::npos; }

/// The tools as they are told, which names the keys that may be written.
constexpr const char* kTools = R"({"jsonrpc":"2.0","id":3,"method":"tools/list","params":{}})";

/// Who did what, and by which door, of each record of a proposal.
std::vector<std::string> acts_in(const std::string& data) {
    std::vector<std::string> acts;
    for (const Json& record : records_of(data)) {
        if (record.find("id") == nullptr) continue;
        std::string act;
        for (const char* name : {"kind", "code", "id", "actor", "principal", "door", "roles", "cause", "trace"}) {
            const Json* member = record.find(name);
            act += std::string(name) + ' ' + (member == nullptr ? "-" : to_text(*member)) + ' ';
        }
        const Json* body = record.find("body");
        const Json* claim = body == nullptr ? nullptr : body->find("claim");
        acts.push_back(act + "claim " + (claim == nullptr ? "-" : to_text(*claim)));
    }
    return acts;
}

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

TEST_CASE("state-engine mcp: beside a daemon that hangs a proposal is answered in time, and reads go on") {
    TemporaryDirectory folder;
    DaemonProcess daemon({.data = folder.path() + "/data", .policy = "allowedKeys: [only.this]\n"});
    daemon.start();
    Host host(folder.path() + "/data", Stream::pipe, {"--wait-ms", "500"});
    host.begin();
    daemon.signal(SIGSTOP);

    // Neither a call that reads nor the list of tools waits for it; what may be written stands in the journal.
    const auto before = std::chrono::steady_clock::now();
    constexpr int kReads = 12;
    for (int i = 0; i < kReads; ++i) {
        const std::string read = host.ask(kRead);
        REQUIRE_MESSAGE(says(read, "\"a\":null"), read);
    }
    const std::string tools = host.ask(kTools);
    CHECK_MESSAGE(says(tools, "Allowed keys: only.this "), tools);
    CHECK(std::chrono::steady_clock::now() - before < std::chrono::seconds(60));

    const std::string unknown = host.ask(proposal_of("only.this", "once"));
    CHECK_MESSAGE(says(unknown, "\"code\":\"outcome_unknown\""), unknown);
    CHECK(says(unknown, "\"isError\":true"));
    CHECK(says(unknown, "the daemon does not answer"));

    // With the same id it is settled, and has happened once.
    daemon.signal(SIGCONT);
    std::string settled;
    for (int tries = 0; tries < 100 && !says(settled, "\"status\":\"accepted\""); ++tries)
        settled = host.ask(proposal_of("only.this", "once"));
    CHECK_MESSAGE(says(settled, "\"status\":\"accepted\""), settled);
    host.close_input();
    CHECK(host.exit_code() == 0);
    CHECK(daemon.stop() == 0);
    int times = 0;
    for (const std::string& act : acts_in(daemon.data())) times += says(act, "kind \"accepted\"");
    CHECK(times == 1);
}

TEST_CASE("state-engine mcp: beside a daemon and without one the same act has the same record") {
    TemporaryDirectory folder;
    const std::string with = folder.path() + "/with", without = folder.path() + "/without";
    DaemonProcess daemon({.data = with, .policy = "allowedKeys: [stream.state]\n"});
    daemon.start();
    for (const std::string& data : {with, without}) {
        Host host(data, Stream::pipe);
        host.begin();
        const std::string metas[] = {
            "{}",
            R"({"userRoles":["viewer","mod"]})",
            R"({"userId":"alice"})",
            R"({"userId":" alice ","userRoles":[" viewer "," ","mod"]})",
            R"({"traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"})"};
        std::string id = "id-0";
        for (const std::string& meta : metas) {
            ++id.back();
            const std::string done = host.ask(proposal_of("stream.state", id, meta));
            REQUIRE_MESSAGE(says(done, "\"status\":\"accepted\""), done);
        }
        const std::string refused = host.ask(proposal_of("elsewhere", "no", R"({"userRoles":["viewer"]})"));
        REQUIRE_MESSAGE(says(refused, "key_not_allowed"), refused);
        host.close_input();
        CHECK(host.exit_code() == 0);
    }
    // Whoever is not the operator cannot say so.
    HttpClient::Request foreign{.method = "POST",
                                .target = "/v1/mutations",
                                .headers = {{"Content-Type", "application/json"}, {"x-via-mcp", "propose_mutation"}},
                                .body = set_text("stream.state", "2", "foreign")};
    const auto answer = daemon.tcp().send(foreign);
    REQUIRE(answer);
    CHECK(answer->status == 200);
    CHECK(daemon.stop() == 0);

    std::vector<std::string> acts = acts_in(with);
    REQUIRE(!acts.empty());
    CHECK_MESSAGE(says(acts.back(), R"(id "foreign" )"), acts.back());
    CHECK(says(acts.back(), R"( door "http" )"));
    CHECK(says(acts.back(), " cause - "));
    acts.pop_back();
    CHECK(acts == acts_in(without));
    REQUIRE(acts.size() == 6);
    for (const std::string& act : acts)
        CHECK_MESSAGE(says(act, R"(door "mcp" )"), act);
    CHECK(says(acts[0], R"(cause {"tool":"propose_mutation","type":"mcp"})"));
    CHECK(says(acts[1], R"(claim {"roles":["viewer","mod"]})"));
    CHECK(says(acts[3], R"(actor "alice")"));
    CHECK(says(acts[3], R"(roles ["viewer","mod"])"));
}

TEST_CASE("state-engine mcp: without a daemon it writes as the last one did, and keeps what it refuses as a daemon does") {
    TemporaryDirectory folder;
    const std::string with = folder.path() + "/with", without = folder.path() + "/without";
    DaemonProcess daemon({.data = with});
    daemon.start();
    const std::vector<std::string> padded = {"--set", "journal.align=4096"};
    DaemonProcess before({.data = without, .arguments = padded});
    before.start();
    CHECK(before.stop() == 0);
    std::vector<std::string> kept;
    for (const std::string& data : {with, without}) {
        Host host(data, Stream::pipe);
        host.begin();
        const std::string refused = host.ask(proposal_of("no key", "id-1"));
        REQUIRE_MESSAGE(says(refused, "malformed"), refused);
        host.close_input();
        CHECK(host.exit_code() == 0);
        std::string align = "none", claim = "none";
        for (const Json& record : records_of(data)) {
            const Json* const body = record.find("body");
            const Json* const note = record.find("note");
            if (note != nullptr && *note == Json("opened")) {
                const Json* const told = body->find("align");
                align = told == nullptr ? "none" : to_text(*told);
            }
            if (body->find("claim") != nullptr) claim = to_text(*body->find("claim"));
        }
        CHECK(align == (data == without ? "4096" : "none"));
        kept.push_back(claim);
    }
    CHECK(daemon.stop() == 0);
    CHECK_MESSAGE(says(kept[0], R"({"original":"{\"id\":\"id-1\",\"key\":\"no key\",)"), kept[0]);
    CHECK(kept[0] == kept[1]);
}

TEST_CASE("state-engine mcp: other keys that may be written are told as another list of tools") {
    TemporaryDirectory folder;
    DaemonProcess daemon({.data = folder.path() + "/data", .policy = "allowedKeys: [first]\n"});
    daemon.start();
    const auto allow = [&](const std::string& key) {
        write_text(daemon.config_path(), "allowedKeys: [" + key + "]\n");
        const auto reloaded = daemon.socket().send({.method = "POST", .target = "/v1/operator/reload"});
        REQUIRE(reloaded);
        REQUIRE(reloaded->status == 200);
    };
    Host host(folder.path() + "/data", Stream::pipe);
    host.begin();
    CHECK(says(host.ask(kTools), "Allowed keys: first "));
    // Who follows nothing hears of it with the next refusal.
    allow("second");
    const std::string refused = host.ask(proposal_of("first", "one"));
    CHECK_MESSAGE(says(refused, "Allowed keys: second "), refused);
    CHECK(says(host.hear(), "\"notifications/tools/list_changed\""));
    CHECK(says(host.ask(kTools), "Allowed keys: second "));
    // Who follows something hears of it by itself.
    const std::string subscribed =
        host.ask(R"({"jsonrpc":"2.0","id":4,"method":"resources/subscribe","params":{"uri":"state://second"}})");
    CHECK_MESSAGE(says(subscribed, "\"result\":{}"), subscribed);
    allow("third");
    CHECK(says(host.hear(), "\"notifications/tools/list_changed\""));
    CHECK(says(host.ask(kTools), "Allowed keys: third "));
    CHECK(daemon.stop() == 0);
}
