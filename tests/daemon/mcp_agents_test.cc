// Many agents that read, decide and propose at once, through /mcp and over lines: the real program.

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <map>
#include <optional>
#include <set>
#include <thread>

#include "tests/adapters/temporary_directory.h"
#include "tests/daemon/mcp_request.h"
#include "tests/places.h"

namespace se::test {
namespace {

using namespace std::chrono_literals;

constexpr int kAgents = 64;
constexpr int kSuccesses = 5;  // of each
constexpr int kKills = 4;
constexpr auto kAgentPatience = 120s;

const std::string kKey = "agents.count";

/// What all agents share: where the daemon is, and how far they are.
struct World {
    std::atomic<std::uint16_t> port = 0;
    std::atomic<int> successes = 0;
    std::chrono::steady_clock::time_point until = std::chrono::steady_clock::now() + kAgentPatience;
};

/// Adds one to a number, again and again, never without having seen what it was.
class Agent {
public:
    Agent(World& world, int number) : world_(world), name_("agent" + std::to_string(number)) {}

    void work() {
        for (int done = 0; done < kSuccesses && trouble_.empty();) {
            std::optional<Seen> seen = seen_in(at(read(), {"entries", kKey}));
            while (seen && trouble_.empty()) {
                // A new id for each decision. It is the same again only where no answer came.
                const std::string id = name_ + "-" + std::to_string(++ids_);
                const Json answer = propose(id, *seen);
                if (at(answer, {"status"}) == Json("accepted")) {
                    accepted_.push_back(id);
                    ++done;
                    ++world_.successes;
                    break;
                }
                if (at(answer, {"code"}) != Json("version_conflict")) {
                    trouble_ = "neither accepted nor a conflict: " + to_text(answer);
                    break;
                }
                seen = seen_in(at(answer, {"current"}));
            }
        }
    }
    const std::string& trouble() const { return trouble_; }
    const std::vector<std::string>& accepted() const { return accepted_; }

private:
    /// What the tool said, once it could be asked: the same call until an answer comes.
    Json call(const std::string& tool, const std::string& arguments) {
        for (;;) {
            if (std::chrono::steady_clock::now() > world_.until) {
                trouble_ = "no answer in time";
                return nullptr;
            }
            if (!client_) {
                auto connected = HttpClient::connect({.host = "127.0.0.1", .port = world_.port});
                if (connected) client_.emplace(*std::move(connected));
            }
            auto answer = client_ ? client_->send(mcp_call(tool, arguments))
                                  : Result<HttpAnswer>(Error{Errc::unavailable, "no connection"});
            if (answer && answer->status == 200) {
                Json told = at(json_of(answer->body), {"result", "structuredContent"});
                const Json code = at(told, {"code"});
                if (code != Json("unavailable") && code != Json("outcome_unknown") &&
                    told.is_object())
                    return told;
            } else if (!answer) {
                client_.reset();
            }
            std::this_thread::sleep_for(10ms);  // killed, starting, or stopping
        }
    }
    struct Seen {
        std::int64_t version, value;
    };
    std::optional<Seen> seen_in(const Json& entry) {
        const Json version = at(entry, {"version"}), value = at(entry, {"value"});
        if (version.is_integer() && value.is_integer())
            return Seen{version.integer(), value.integer()};
        if (trouble_.empty()) trouble_ = "the key is gone: " + to_text(entry);
        return std::nullopt;
    }
    Json read() { return call("get_state", R"({"keys":[")" + kKey + "\"]}"); }
    Json propose(const std::string& id, Seen seen) {
        return call("propose_mutation", R"({"reason":"one more","key":")" + kKey + R"(","id":")" +
                                            id + R"(","value":)" + std::to_string(seen.value + 1) +
                                            R"(,"expectedVersion":)" +
                                            std::to_string(seen.version) + "}");
    }

    World& world_;
    const std::string name_;
    std::optional<HttpClient> client_;
    int ids_ = 0;
    std::vector<std::string> accepted_;
    std::string trouble_;
};

void run_agents(int kills) {
    TemporaryDirectory folder;
    DaemonProcess daemon({.data = folder.path() + "/data"});
    daemon.start();
    REQUIRE(daemon.tcp().post("/v1/mutations", set_text(kKey, "0"))->status == 200);
    World world;
    world.port = daemon.port();
    std::vector<Agent> agents;
    for (int i = 0; i < kAgents; ++i) agents.emplace_back(world, i);
    std::vector<std::thread> threads;
    for (Agent& agent : agents) threads.emplace_back([&agent] { agent.work(); });
    constexpr int kAll = kAgents * kSuccesses;
    for (int kill = 1; kill <= kills; ++kill) {
        const int enough = kAll * kill / (kills + 1);
        while (world.successes < enough && std::chrono::steady_clock::now() < world.until)
            std::this_thread::sleep_for(1ms);
        daemon.kill_hard();
        daemon.start();
        world.port = daemon.port();
    }
    for (std::thread& thread : threads) thread.join();

    std::set<std::string> accepted;
    for (const Agent& agent : agents) {
        CHECK_MESSAGE(agent.trouble().empty(), agent.trouble());
        accepted.insert(agent.accepted().begin(), agent.accepted().end());
    }
    CHECK(accepted.size() == kAll);
    const HttpAnswer last = *daemon.tcp().get("/v1/state/" + kKey);
    CHECK(json_of(last.body).find("value")->integer() == kAll);
    CHECK(json_of(last.body).find("version")->integer() == kAll + 1);
    CHECK(daemon.stop() == 0);
    // The journal says the same: each of them once, and nobody else.
    std::multiset<std::string> applied;
    for (const Json& record : records_of(daemon.data())) {
        const Json* id = record.find("id");
        if (at(record, {"kind"}) == Json("accepted") && id->string().starts_with("agent"))
            applied.insert(id->string());
    }
    CHECK(applied == std::multiset<std::string>(accepted.begin(), accepted.end()));
}

TEST_CASE("64 agents add to one number through /mcp: no update is lost, none applied twice") {
    run_agents(0);
}

TEST_CASE(
    "64 agents add to one number while the daemon is killed: none is lost, none applied twice") {
    run_agents(kKills);
}

std::string line(int id, const std::string& tool, const std::string& arguments) {
    HttpClient::Request request = mcp_call(tool, arguments);
    const std::string one = R"("id":1,)";
    return request.body.replace(request.body.find(one), one.size(),
                                "\"id\":" + std::to_string(id) + ",") +
           "\n";
}

TEST_CASE(
    "over lines, with nobody on the store, what was read can be changed, and is free again behind "
    "it") {
    TemporaryDirectory folder;
    DaemonProcess daemon({.data = folder.path() + "/data"});
    daemon.start();  // so that there is a store, with a policy
    REQUIRE(daemon.tcp().post("/v1/mutations", set_text("k", "1"))->status == 200);
    REQUIRE(daemon.stop() == 0);

    const std::string read = R"({"keys":["k"]})";
    const auto change = [](int value) {
        return R"({"key":"k","reason":"r","value":)" + std::to_string(value) +
               R"(,"expectedVersion":)" + std::to_string(value - 1) + "}";
    };
    write_text(folder.path() + "/1",
               line(1, "get_state", read) + line(2, "propose_mutation", change(2)));
    write_text(folder.path() + "/2",
               line(3, "get_state", read));  // while this process still holds the store
    write_text(folder.path() + "/3",
               line(4, "propose_mutation", change(3)));  // when it holds it no more
    write_text(folder.path() + "/4", line(5, "get_state", read));
    const std::string command =
        "cd " + folder.path() +
        "; { cat 1; sleep 0.3; cat 2; sleep 1; cat 3; sleep 0.3; cat 4; } | " + bin_dir() +
        "/state-engine mcp --data data";
    FILE* const pipe = ::popen(command.c_str(), "r");
    REQUIRE(pipe != nullptr);
    std::string out;
    std::array<char, 4096> bytes{};
    while (const std::size_t got = std::fread(bytes.data(), 1, bytes.size(), pipe))
        out.append(bytes.data(), got);
    REQUIRE(::pclose(pipe) == 0);

    std::map<std::int64_t, Json> told;
    for (std::size_t begin = 0; begin < out.size();) {
        const std::size_t end = out.find('\n', begin);
        const Json answer = json_of(out.substr(begin, end - begin));
        told[at(answer, {"id"}).integer()] = at(answer, {"result", "structuredContent"});
        begin = end + 1;
    }
    CAPTURE(out);
    REQUIRE(told.size() == 5);
    CHECK(at(told[1], {"entries", "k", "version"}) == Json(1));
    CHECK(at(told[2], {"status"}) == Json("accepted"));
    CHECK(at(told[3], {"entries", "k", "value"}) == Json(2));
    CHECK(at(told[4], {"status"}) == Json("accepted"));
    CHECK(at(told[5], {"entries", "k", "value"}) == Json(3));
    daemon.start();
    CHECK(json_of(daemon.tcp().get("/v1/state/k")->body).find("version")->integer() == 3);
    CHECK(daemon.stop() == 0);
}

}  // namespace
}  // namespace se::test
