#include <fmt/format.h>
#include <signal.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>

#ifdef SE_WITH_NATS
#include "bench/bus_rows.h"
#endif
#include "bench/disk.h"
#include "bench/firestore_rows.h"
#include "bench/http_load.h"
#include "bench/journal_rows.h"
#include "bench/mcp_rows.h"
#include "bench/rows.h"
#include "bench/rule_rows.h"
#include "bench/state_rows.h"
#include "bench/store.h"

namespace se::bench {
namespace {

constexpr std::uint64_t kKeys = 10'000;

/// Commits in process, the disk's own figure for the same group size and record beside each.
void add_commit_rows(std::vector<Row>& rows, const std::string& folder, Store& store,
                     std::uint64_t record_bytes, double scale) {
    const auto scaled = [scale](double count) { return static_cast<std::uint64_t>(count * scale); };
    for (const auto& [in_flight, count] :
         {std::pair{1ull, 4'000.0}, {8ull, 30'000.0}, {64ull, 120'000.0}}) {
        const std::string disk = fmt::format("disk: overwrite + fdatasync, {} a sync", in_flight);
        rows.push_back({disk, "/s", [=] {
                            return disk_overwrite(folder, in_flight, record_bytes, 0.6 * scale);
                        }});
        rows.push_back({fmt::format("commit, in process, {} in flight", in_flight), "/s",
                        [&store, scaled, in_flight = in_flight, count = count] {
                            const std::uint64_t n = scaled(count);
                            return static_cast<double>(n) / store.update(n, kKeys, in_flight);
                        },
                        disk});
    }
}

struct HttpWorld {
    HttpWorld(const std::string& bin, const std::string& data) : daemon(bin, data), trivial(640) {
        // The keys that the read rows ask for are there from the start.
        http_load(daemon.port(), 1, kKeys, [this](unsigned) { return next_commit(0, 1); });
    }
    std::vector<std::uint64_t> versions = std::vector<std::uint64_t>(kKeys);
    std::uint64_t sent = 0;
    Daemon daemon;
    TrivialServer trivial;

    std::string next_commit(unsigned connection, unsigned connections) {
        // Each connection has keys of its own, so that the version it expects is the one it left.
        const std::uint64_t per = kKeys / connections;
        const std::uint64_t key = connection * per + (sent * 7919) % per;
        const std::string body = proposal_of(key, versions[key]++, 1'000'000'000ull + ++sent);
        return fmt::format("POST /v1/mutations HTTP/1.1\r\nHost: localhost\r\n"
                           "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
                           body.size(), body);
    }
};

void add_http_rows(std::vector<Row>& rows, HttpWorld& world, double scale) {
    for (const auto& [clients, count] :
         {std::pair{1u, 3'000.0}, {8u, 20'000.0}, {64u, 60'000.0}}) {
        const auto n = static_cast<std::uint64_t>(count * scale);
        rows.push_back({fmt::format("commit, HTTP, {} clients", clients), "/s",
                        [&world, clients = clients, n] {
                            return http_load(world.daemon.port(), clients, n, [&](unsigned c) {
                                       return world.next_commit(c, clients);
                                   }).per_second;
                        },
                        fmt::format("disk: overwrite + fdatasync, {} a sync", clients),
                        clients == 1 ? std::optional(0.8) : std::nullopt});
    }
    for (const unsigned clients : {1u, 64u}) {
        const auto n = static_cast<std::uint64_t>((clients == 1 ? 30'000.0 : 150'000.0) * scale);
        const auto get = [](unsigned c) {
            return fmt::format("GET /v1/state/{} HTTP/1.1\r\nHost: localhost\r\n\r\n",
                               key_of(c * (kKeys / 64)));
        };
        const std::string trivial = fmt::format("trivial HTTP server, {} clients", clients);
        rows.push_back({trivial, "/s", [&world, clients, n, get] {
                            return http_load(world.trivial.port(), clients, n, get).per_second;
                        }});
        rows.push_back({fmt::format("read, HTTP, {} clients", clients), "/s",
                        [&world, clients, n, get] {
                            return http_load(world.daemon.port(), clients, n, get).per_second;
                        },
                        trivial, 0.65});
    }
    rows.push_back({"memory of the daemon, 10k keys, LMDB map aside", "MB",
                    [&world] { return static_cast<double>(world.daemon.anonymous_bytes()) / 1e6; },
                    "", 40.0, true});
}

}  // namespace
}  // namespace se::bench

int main(int argc, char** argv) {
    using namespace se::bench;
    ::signal(SIGPIPE, SIG_IGN);
    CLI::App app{"Measures the engine against what the machine itself can do, in interleaved rounds."};
    std::string parent = ".", json_file, only, oracle, sdk;
    std::string bin = std::filesystem::path(argv[0]).parent_path().string();
    unsigned rounds = 5;
    double scale = 1;
    bool small = false;
    app.add_option("--dir", parent, "Where the stores are made; the disk that is measured");
    app.add_option("--rounds", rounds, "Rounds; medians are shown")->check(CLI::Range(1, 100));
    app.add_option("--scale", scale, "Length of each measurement, 1 is normal")
        ->check(CLI::Range(0.001, 100.0));
    app.add_option("--only", only, "One part of it")
        ->check(CLI::IsMember(std::vector<std::string>{"commits", "http", "mcp", "bus", "firestore", "reads",
                                                       "journal", "rules", "size"}));
    app.add_option("--json-logic-js", oracle,
                   "Folder that holds it, to run beside ours (tests/rules/differential.sh --install)");
    app.add_option("--mcp-sdk", sdk, "Folder that holds the TypeScript SDK's packages (build/mcp-tests)");
    app.add_option("--json", json_file, "Also write all figures there");
    app.add_flag("--small", small, "100k keys at most instead of 1M, 100k records instead of more");
    CLI11_PARSE(app, argc, argv);

    const Folder folder(parent, "bench-store");
    const auto wanted = [&](std::string_view part) { return only.empty() || only == part; };
    std::vector<Row> rows;
    Store commits(folder.path() + "/commits");
    commits.update(1000, 10'000, 64);
    const std::uint64_t record_bytes = record_bytes_of(commits);
    fmt::print(stderr, "a record is {} bytes\n", record_bytes);
    if (wanted("commits") || wanted("http")) {
        add_commit_rows(rows, folder.path(), commits, record_bytes, scale);
    }
    std::optional<HttpWorld> http;
    if (wanted("http")) {
        http.emplace(bin, folder.path() + "/http");
        add_http_rows(rows, *http, scale);
    }
    std::optional<McpWorld> mcp;
    if (wanted("mcp")) {
        mcp.emplace(bin, folder.path() + "/mcp");
        add_mcp_rows(rows, *mcp, sdk, scale);
    }
#ifdef SE_WITH_NATS
    std::optional<BusWorld> bus;
    if (wanted("bus") && BusWorld::can_be()) {
        bus.emplace(bin, folder.path());
        add_bus_rows(rows, *bus, scale);
    } else if (wanted("bus")) {
        fmt::print(stderr, "no rows of the bus: there is no nats-server (tools/install-deps.sh --all)\n");
    }
#else
    if (wanted("bus")) fmt::print(stderr, "no rows of the bus: built without libnats\n");
#endif
    std::optional<FirestoreWorld> firestore;
    if (wanted("firestore") && FirestoreWorld::can_be()) {
        firestore.emplace(bin, folder.path());
        add_firestore_rows(rows, *firestore, scale);
    } else if (wanted("firestore")) {
        fmt::print(stderr, "no rows of Firestore: its emulator is not here, or gRPC is not in this build\n");
    }
    std::optional<ReadWorld> reads;
    if (wanted("reads")) {
        reads.emplace(folder.path());
        add_read_rows(rows, *reads, scale);
    }
    std::optional<SizeWorld> sizes;
    if (wanted("size")) {
        sizes.emplace(folder.path(), small ? 100'000 : 1'000'000);
        add_size_rows(rows, *sizes, scale);
    }
    std::optional<JournalWorld> journal;
    if (wanted("journal")) {
        journal.emplace(folder.path(), 100'000);
        add_journal_rows(rows, *journal, scale);
    }
    if (wanted("rules")) add_rule_rows(rows, oracle, scale);
    const std::vector<Result> results = run_rounds(rows, rounds);
    fmt::print("{}", as_table(results));
    if (!json_file.empty()) std::ofstream(json_file) << as_json(results);
    return 0;
}
