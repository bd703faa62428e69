// docs/openapi.yaml and docs/schemas/ against the real program. What is asked and compared is in
// contract.py.

#include <doctest/doctest.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>

#include "engine/api/api.h"
#include "tests/adapters/temporary_directory.h"
#include "tests/daemon/daemon_process.h"
#include "tests/daemon/receiver.h"
#include "tests/firestore/emulator.h"
#include "tests/nats/nats_server.h"
#include "tests/places.h"
#include "tools/daemon_firestore.h"
#include "tools/daemon_nats.h"

namespace se::test {
namespace {

// Debian's own, which has Debian's jsonschema and yaml whatever else is in the PATH.
const std::string kPython = "/usr/bin/python3";

constexpr const char* kPolicy =
    R"(allowedKeys: [a, b, c, n, p, q, l, dry, list, nobody, stream.state, "user.*"]
http: { body_bytes: 64KiB, idle_timeout: 1m }
engine: { value_bytes: 32KiB }
journal:
  fsync: group
)";

struct Ran {
    int exit = -1;
    std::string out;
};

Ran shell(const std::string& command) {
    Ran ran;
    FILE* const pipe = ::popen((command + " 2>&1").c_str(), "r");
    REQUIRE(pipe != nullptr);
    std::array<char, 4096> bytes{};
    while (const std::size_t got = std::fread(bytes.data(), 1, bytes.size(), pipe))
        ran.out.append(bytes.data(), got);
    const int status = ::pclose(pipe);
    ran.exit = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return ran;
}

/// A store whose fourth record no longer holds.
void write_damaged_store(DaemonProcess& daemon) {
    daemon.start();
    HttpClient client = daemon.tcp();
    for (const char* id : {"id3", "id4", "id5"})
        REQUIRE(client.post("/v1/mutations", set_text("k", "1", id))->status == 200);
    REQUIRE(daemon.stop() == 0);
    const std::string segment = daemon.data() + "/journal/seg-0000000000000001.jsonl";
    std::ifstream in(segment, std::ios::binary);
    std::string bytes(std::istreambuf_iterator<char>(in), {});
    const std::size_t at = bytes.find("\"id4\"");
    REQUIRE(at != bytes.npos);
    bytes[at + 1] = 'X';
    write_text(segment, bytes);
    std::filesystem::remove_all(daemon.data() + "/projection");  // so that the open meets it
}

/// A daemon on a bus that takes no message over 8 KiB; where there can be none, why, on stdout.
struct OnBus {
    TemporaryDirectory folder;
    std::optional<NatsServer> server;
    std::optional<DaemonProcess> daemon;

    OnBus() {
        const bool known = shell(bin_dir() + "/state-engine --set nats.url=nats://127.0.0.1 --check-config").exit == 0;
        if (!known || !NatsServer::is_there()) {
            std::cout << "SKIP: the bus among every route is documented: "
                      << (known ? "no nats-server (tools/install-deps.sh --all)\n" : "built without libnats\n");
            return;
        }
        write_text(folder.path() + "/server.conf", "max_payload: 8192\n");
        server.emplace(std::vector<std::string>{"-c", folder.path() + "/server.conf"}).start();
        daemon.emplace(DaemonProcess::Options{
            .data = folder.path() + "/data",
            .arguments = {"--set", "nats.prefix=local.", "--set", "nats.url=" + server->url()}});
        daemon->start();
    }
    std::string argument() const { return daemon ? " --bus " + daemon->data() : ""; }
};

/// A daemon with an emulator that is empty and that it was not told to fill; likewise.
struct InFirestore {
    std::optional<Emulator> emulator;
    TemporaryDirectory folder;
    std::optional<DaemonProcess> daemon;

    InFirestore() {
        if (Emulator::skipped("Firestore among every route is documented")) return;
        emulator.emplace();
        daemon.emplace(
            DaemonProcess::Options{.data = folder.path() + "/data",
                                   .environment = {"FIRESTORE_EMULATOR_HOST=" + emulator->address()}});
        daemon->start();
    }
    std::string argument() const { return daemon ? " --firestore " + daemon->data() : ""; }
};

TEST_CASE("every route is documented, and every answer is as its document says") {
    if (shell(kPython + " -c 'import jsonschema, yaml'").exit != 0) {
        std::cout << "SKIP: every route is documented: no python3-jsonschema or python3-yaml\n";
        return;
    }
    TemporaryDirectory folder;
    Receiver refuses([](const Request&, std::size_t) { return Response{.status = 422, .body = "{}"}; });
    DaemonProcess well({.data = folder.path() + "/well",
                        .arguments = {"--set", "egress.webhook_url=" + refuses.url()},
                        .policy = kPolicy});
    DaemonProcess closed(
        {.data = folder.path() + "/closed", .environment = {"MCP_AUTH_TOKEN=secret"}});
    DaemonProcess damaged({.data = folder.path() + "/damaged"});
    write_damaged_store(damaged);
    for (DaemonProcess* daemon : {&well, &closed, &damaged}) daemon->start();
    OnBus on_bus;
    InFirestore in_firestore;

    std::string routes;
    for (const auto& [method, path] : Api::routes())
        routes += std::string(method) + " " + std::string(path) + "\n";
    routes += "GET " + std::string(DaemonBus::kStatusRoute) + "\n";
    routes += "POST " + std::string(DaemonBus::kLettersRoute) + "\n";
    for (const auto route : {DaemonFirestore::kStatusRoute, DaemonFirestore::kLettersRoute})
        routes += "GET " + std::string(route) + "\n";
    for (const auto route : {DaemonFirestore::kLettersRoute, DaemonFirestore::kDiffRoute,
                             DaemonFirestore::kHealRoute, DaemonFirestore::kResumeRoute})
        routes += "POST " + std::string(route) + "\n";
    write_text(folder.path() + "/routes", routes);
    const Ran ran =
        shell(kPython + " " + source_dir() + "/tests/daemon/contract.py --docs " + source_dir() +
              "/docs --golden " + source_dir() + "/tests/golden --bin " + bin_dir() + " --config " +
              well.config_path() + " --data " + well.data() + " --port " +
              std::to_string(well.port()) + " --token-port " + std::to_string(closed.port()) +
              " --damaged " + damaged.data() + on_bus.argument() + in_firestore.argument() + " < " + folder.path() + "/routes");
    CHECK_MESSAGE(ran.exit == 0, ran.out);
    for (DaemonProcess* daemon : {&well, &closed, &damaged}) CHECK(daemon->stop() == 0);
    if (on_bus.daemon) CHECK(on_bus.daemon->stop() == 0);
    if (in_firestore.daemon) CHECK(in_firestore.daemon->stop() == 0);
}

}  // namespace
}  // namespace se::test
