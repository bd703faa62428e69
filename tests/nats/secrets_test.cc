// A bus whose door is locked: by TLS, a token, a password or a JWT. With the right key the daemon
// is in; with a wrong one it says what to look at, and never what the key is.

#include <doctest/doctest.h>

#include <cstdio>
#include <fstream>
#include <thread>

#include "tests/adapters/temporary_directory.h"
#include "tests/daemon/daemon_process.h"
#include "tests/nats/nats_server.h"
#include "tests/places.h"

namespace se::test {
namespace {

using namespace std::chrono_literals;

using Words = std::vector<std::string>;

constexpr auto kGuestPatience = 60s;  // for a hung program, not for a slow machine

/// What tests/nats/make_secrets.py leaves, made once for all tests of this program.
class Secrets {
public:
    static const Secrets& made() {
        static const Secrets secrets;
        return secrets;
    }
    std::string path(const std::string& name) const { return folder_.path() + "/" + name; }
    /// The lines of a file that nobody may see.
    Words lines(const std::string& name) const {
        std::ifstream in(path(name));
        Words found;
        for (std::string line; std::getline(in, line);)
            if (line.size() > 20 && !line.starts_with("--")) found.push_back(line);
        REQUIRE(!found.empty());
        return found;
    }

private:
    Secrets() {
        const std::string command = "/usr/bin/python3 " + source_dir() +
                                    "/tests/nats/make_secrets.py " + folder_.path() + " 2>&1";
        FILE* const pipe = ::popen(command.c_str(), "r");
        REQUIRE(pipe != nullptr);
        std::string said;
        for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) said += static_cast<char>(c);
        REQUIRE_MESSAGE(::pclose(pipe) == 0, said);
    }
    TemporaryDirectory folder_;
};

std::string file(const std::string& name) {
    return Secrets::made().path(name);
}

/// Arguments of a server that shows this certificate.
Words tls_of(const std::string& name) {
    return {"--tls", "--tlscert", file(name + ".pem"), "--tlskey", file(name + ".key")};
}
Words tls_of_both_sides() {
    Words words = tls_of("server");
    words.insert(words.end(), {"--tlsverify", "--tlscacert", file("ca.pem")});
    return words;
}

/// A bus and how a daemon is to come in.
struct Door {
    const char* what;
    Words server;       ///< its arguments
    std::string url;    ///< PORT is the server's
    Words settings;     ///< of the daemon
    Words environment;  ///< likewise
};

struct Guest {
    TemporaryDirectory folder;
    DaemonProcess daemon;

    Guest(const Door& door, const NatsServer& server)
        : daemon({.data = folder.path() + "/data",
                  .arguments = arguments(door),
                  .environment = environment(door, server)}) {
        daemon.start();
    }

    static Words arguments(const Door& door) {
        Words words = {"--set", "nats.prefix=local."};
        for (const std::string& one : door.settings) words.insert(words.end(), {"--set", one});
        return words;
    }
    static Words environment(const Door& door, const NatsServer& server) {
        Words words = door.environment;
        std::string url = door.url;
        url.replace(url.find("PORT"), 4, std::to_string(server.port()));
        words.push_back("NATS_URL=" + url);
        return words;
    }
    std::string get(const std::string& path) const {
        const auto answer = daemon.socket().get(path);
        REQUIRE(answer);
        REQUIRE(answer->status == 200);
        return answer->body;
    }
    /// The bus as it is once `so` says yes to it.
    template <class Condition>
    Json status(Condition so) const {
        const auto until = std::chrono::steady_clock::now() + kGuestPatience;
        for (;;) {
            Json status = json_of(get("/v1/operator/bus"));
            if (so(status)) return status;
            REQUIRE_MESSAGE(std::chrono::steady_clock::now() < until, to_text(status));
            std::this_thread::sleep_for(5ms);
        }
    }
    /// All that an operator or a collector of logs gets to see.
    std::string all_that_is_shown() const {
        return daemon.log() + get("/v1/operator/bus") + get("/v1/operator/status") +
               get("/_debug/config") + get("/metrics") + get("/health");
    }
};

std::string said_of(const Json& json, std::string_view name) {
    const Json* const member = json.find(name);
    return member != nullptr && member->is_string() ? member->string() : "";
}

}  // namespace

TEST_CASE("with the right key the daemon is in: it takes a mutation's result to the stream") {
    const std::vector<Door> doors = {
        {"token",
         {"--auth", "Right-t0ken"},
         "nats://127.0.0.1:PORT",
         {},
         {"STATE_ENGINE_NATS_TOKEN=Right-t0ken"}},
        {"token in the url",
         {"--auth", "Right-t0ken"},
         "nats://Right-t0ken@127.0.0.1:PORT",
         {},
         {}},
        {"password",
         {"--user", "engine", "--pass", "Right-p4ss"},
         "nats://engine:Right-p4ss@127.0.0.1:PORT",
         {},
         {}},
        {"credentials",
         {"-c", file("operator.conf")},
         "nats://127.0.0.1:PORT",
         {"nats.credentials=" + file("user.creds")},
         {}},
        {"TLS", tls_of("server"), "tls://127.0.0.1:PORT", {"nats.tls_ca=" + file("ca.pem")}, {}},
        {"TLS, asked for by its authority",
         tls_of("server"),
         "nats://localhost:PORT",
         {"nats.tls_ca=" + file("ca.pem")},
         {}},
        {"TLS of both sides",
         tls_of_both_sides(),
         "tls://127.0.0.1:PORT",
         {"nats.tls_ca=" + file("ca.pem"), "nats.tls_certificate=" + file("client.pem"),
          "nats.tls_key=" + file("client.key")},
         {}},
    };
    for (const Door& door : doors) {
        CAPTURE(door.what);
        NatsServer server(door.server);
        server.start();
        const Guest guest(door, server);
        guest.status([](const Json& bus) { return said_of(bus, "state") == "taking"; });
        const auto answer = guest.daemon.tcp().post("/v1/mutations", set_text("k", "1"));
        REQUIRE(answer);
        CHECK(answer->status == 200);
        guest.status([](const Json& bus) {
            const Json* const publishing = bus.find("publishing");
            return publishing->find("lag")->integer() == 0 &&
                   publishing->find("delivered")->integer() > 0;
        });
        // Again, when the server has been away: what is kept is still right.
        server.stop();
        server.start();
        guest.status([](const Json& bus) {
            return bus.find("connects")->integer() > 1 && said_of(bus, "state") == "taking";
        });
        const std::string shown = guest.all_that_is_shown();
        for (const char* secret : {"Right-t0ken", "Right-p4ss"})
            CHECK(shown.find(secret) == shown.npos);
        for (const char* name : {"user.creds", "client.key"})
            for (const std::string& secret : Secrets::made().lines(name))
                CHECK(shown.find(secret) == shown.npos);
    }
}

TEST_CASE("with a wrong key the daemon says what to look at, and never the key; it serves on") {
    struct Wrong {
        Door door;
        Words said;    ///< in the trouble
        Words secret;  ///< in nothing that is shown
    };
    const Words token = {"--auth", "Right-t0ken"};
    const Words jwt = {"-c", file("operator.conf")};
    const std::string ca = "nats.tls_ca=" + file("ca.pem");
    const auto creds = [](const char* name) { return Words{"nats.credentials=" + file(name)}; };
    const std::vector<Wrong> wrongs = {
        {{"no token", token, "nats://127.0.0.1:PORT", {}, {}}, {"nats.token", "127.0.0.1"}, {}},
        {{"a wrong token",
          token,
          "nats://127.0.0.1:PORT",
          {},
          {"STATE_ENGINE_NATS_TOKEN=Wr0ng-one"}},
         {"does not take nats.token"},
         {"Wr0ng-one"}},
        {{"a wrong token in the url", token, "nats://Wr0ng-one@127.0.0.1:PORT", {}, {}},
         {"does not take what nats.url says", "nats://127.0.0.1"},
         {"Wr0ng-one"}},
        {{"a wrong password",
          {"--user", "engine", "--pass", "Right-p4ss"},
          "nats://engine:Wr0ng-one@127.0.0.1:PORT",
          {},
          {}},
         {"does not take what nats.url says"},
         {"Wr0ng-one"}},
        {{"no credentials", jwt, "nats://127.0.0.1:PORT", {}, {}}, {"nats.credentials"}, {}},
        {{"credentials of an account that nobody knows",
          jwt,
          "nats://127.0.0.1:PORT",
          creds("stranger.creds"),
          {}},
         {"does not take nats.credentials"},
         Secrets::made().lines("stranger.creds")},
        {{"a JWT with the seed of another",
          jwt,
          "nats://127.0.0.1:PORT",
          creds("ousted.creds"),
          {}},
         {"does not take nats.credentials"},
         Secrets::made().lines("ousted.creds")},
        {{"credentials that are none", jwt, "nats://127.0.0.1:PORT", creds("client.key"), {}},
         {"nats.credentials", "no nkey user seed found", "client.key"},
         Secrets::made().lines("client.key")},
        {{"no TLS", tls_of("server"), "nats://127.0.0.1:PORT", {}, {}},
         {"SSL", "unable to get local issuer certificate", "nats.tls_ca"},
         {}},
        {{"TLS to a server without", {}, "tls://127.0.0.1:PORT", {}, {}},
         {"the server has no TLS"},
         {}},
        {{"another authority",
          tls_of("server"),
          "tls://127.0.0.1:PORT",
          {"nats.tls_ca=" + file("other-ca.pem")},
          {}},
         {"unable to get local issuer certificate", "nats.tls_ca"},
         {}},
        {{"a certificate of another host", tls_of("elsewhere"), "tls://127.0.0.1:PORT", {ca}, {}},
         {"mismatch", "the host in nats.url"},
         {}},
        {{"an authority that is none",
          tls_of("server"),
          "tls://127.0.0.1:PORT",
          {"nats.tls_ca=" + file("server.key")},
          {}},
         {"nats.tls_ca: ", "server.key"},
         Secrets::made().lines("server.key")},
        {{"no certificate of ours", tls_of_both_sides(), "tls://127.0.0.1:PORT", {ca}, {}},
         {"nats.tls_certificate"},
         {}},
        {{"a certificate of another authority",
          tls_of_both_sides(),
          "tls://127.0.0.1:PORT",
          {ca, "nats.tls_certificate=" + file("stranger.pem"),
           "nats.tls_key=" + file("stranger.key")},
          {}},
         {"nats.tls_certificate"},
         Secrets::made().lines("stranger.key")},
        {{"a certificate with the key of another",
          tls_of_both_sides(),
          "tls://127.0.0.1:PORT",
          {ca, "nats.tls_certificate=" + file("client.pem"),
           "nats.tls_key=" + file("stranger.key")},
          {}},
         {"nats.tls_certificate and nats.tls_key: ", "key values mismatch"},
         Secrets::made().lines("stranger.key")},
    };
    for (const Wrong& wrong : wrongs) {
        CAPTURE(wrong.door.what);
        NatsServer server(wrong.door.server);
        server.start();
        const Guest guest(wrong.door, server);
        const Json bus =
            guest.status([](const Json& status) { return !said_of(status, "trouble").empty(); });
        CHECK(!bus.find("connected")->boolean());
        const std::string trouble = said_of(bus, "trouble");
        CAPTURE(trouble);
        CHECK(guest.daemon.log_says("state-engine.nats.away"));
        for (const std::string& text : wrong.said) CHECK(trouble.find(text) != trouble.npos);
        const auto answer = guest.daemon.tcp().post("/v1/mutations", set_text("k", "1"));
        REQUIRE(answer);
        CHECK(answer->status == 200);
        const std::string shown = guest.all_that_is_shown();
        for (const std::string& secret : wrong.secret) CHECK(shown.find(secret) == shown.npos);
    }
}

TEST_CASE("a url that cannot be meant is refused at the start, and not shown") {
    struct Row {
        const char* url;
        const char* said;
    };
    for (const Row& row : {Row{"nats://u:Wr0ng,one@127.0.0.1:4222", "port that is no number"},
                           Row{"nats://u:12,Wr0ng@127.0.0.1:4222", "a comma in a password"},
                           Row{"http://u:Wr0ng@127.0.0.1:4222", "neither with nats://"},
                           Row{"nats://u:Wr0ng@127.0.0.1:port", "port that is no number"},
                           Row{"nats://u:Wr0ng@", "has no host"},
                           Row{"nats://127.0.0.1:4222,,tls://x", "server number 2 has no host"}}) {
        CAPTURE(row.url);
        TemporaryDirectory folder;
        DaemonProcess daemon(
            {.data = folder.path() + "/data", .environment = {std::string("NATS_URL=") + row.url}});
        CHECK(daemon.run_to_end() == 1);
        const std::string log = daemon.log();
        CAPTURE(log);
        CHECK(log.find("nats.url") != log.npos);
        CHECK(log.find(row.said) != log.npos);
        CHECK(log.find("Wr0ng") == log.npos);
    }
}

}  // namespace se::test
