#include "bench/firestore_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <optional>
#include <thread>

#include "bench/http_load.h"
#include "bench/store.h"
#include "engine/adapters/firestore_store.h"
#include "engine/adapters/http_client.h"
#include "journal/base/json.h"
#include "journal/journal_reader.h"
#include "projection/firestore/documents.h"
#include "projection/firestore/state_batch.h"
#include "tests/firestore/emulator.h"

namespace se::bench {
namespace {

using namespace std::chrono_literals;
using firestore::DocumentStore;
using firestore::Write;

constexpr std::uint64_t kDocumentKeys = 10'000;
constexpr unsigned kClients = 8;
constexpr std::uint64_t kBurst = 1'000;      // commits in one go, on each daemon in turn
constexpr auto kBetweenBursts = 2s;          // else a backlog of minutes takes an hour to make good
constexpr std::size_t kLogLanes = 4;         // firestore.log_lanes, as it is when nobody says another
constexpr std::size_t kLogDocuments = 200;   // of one commit, as the follower's
constexpr double kOutageSeconds = 120;
constexpr double kPatienceSeconds = 600;

/// One daemon and what its load needs: keys with versions of their own.
struct Loaded {
    Loaded(const std::string& bin, const std::string& data, std::vector<std::string> more)
        : folder(data), daemon(bin, data, std::move(more)) {}

    Load commits(std::uint64_t count) {
        return http_load(daemon.port(), kClients, count, [this](unsigned client) {
            const std::uint64_t per = kDocumentKeys / kClients;
            const std::uint64_t key = client * per + (sent * 7919) % per;
            const std::string body = proposal_of(key, versions[key]++, ++sent);
            return fmt::format("POST /v1/mutations HTTP/1.1\r\nHost: localhost\r\n"
                               "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
                               body.size(), body);
        });
    }

    const std::string folder;
    std::vector<std::uint64_t> versions = std::vector<std::uint64_t>(kDocumentKeys);
    std::uint64_t sent = 0;
    Daemon daemon;
};

struct Followed {
    std::string phase;
    Seq watermark;
    std::uint64_t lag = 0;
};

Followed followed(const Loaded& loaded) {
    HttpClient client = must(HttpClient::connect(HttpClient::address_of_socket(loaded.folder)));
    const HttpAnswer answer = must(client.get("/v1/operator/firestore"));
    if (answer.status != 200) give_up("no status of Firestore: " + answer.body);
    const Json status = must(parse_json(answer.body));
    const auto number = [&](std::string_view name) {
        const Json* const member = status.find(name);
        if (member == nullptr || !member->is_integer()) give_up(answer.body);
        return static_cast<std::uint64_t>(member->integer());
    };
    const Followed now{status.find("phase")->string(), Seq{number("watermark")}, number("lag")};
    if (now.phase == "stopped") give_up(answer.body);
    return now;
}

template <class Condition>
Followed until(const Loaded& loaded, Condition condition) {
    const double end = seconds_now() + kPatienceSeconds;
    for (;;) {
        const Followed now = followed(loaded);
        if (condition(now)) return now;
        if (seconds_now() > end) give_up("the documents do not come");
        std::this_thread::sleep_for(5ms);
    }
}

bool up_to_date(const Followed& now) {
    return now.phase == "following" && now.lag == 0;
}

/// What a follower has to send for these records, in commits as large as it may make them.
struct Writes {
    std::vector<std::vector<Write>> state, log;
};

Writes writes_of(const std::string& folder, Seq first, Seq last) {
    PosixFileSystem files;
    JournalReader reader = must(JournalReader::open(files, StorePaths(folder)));
    if (const Status there = reader.seek(first); !there) give_up(there.error().text);
    Writes writes;
    std::optional<firestore::StateBatch> batch(firestore::BatchLimits{});
    const auto end_batch = [&] {
        std::vector<Write> commit;
        std::string why_not;
        for (const auto& [key, entry] : batch->entries())
            commit.push_back(must(firestore::write_of(key, entry, &why_not)).value());
        // One more document, as the watermark is.
        commit.push_back({.path = std::string(firestore::kWatermarkPath),
                          .fields = firestore::mark_fields({.seq = batch->through()})});
        writes.state.push_back(std::move(commit));
        batch.emplace(firestore::BatchLimits{});
    };
    for (Seq seq = first; seq <= last; seq = seq.next()) {
        const RecordView* const record = must(reader.next());
        if (record == nullptr || record->seq != seq) give_up("the journal has gaps");
        if (!must(batch->add(*record))) {
            end_batch();
            if (!must(batch->add(*record))) give_up("a record without room");
        }
        const auto path = firestore::log_path(*record);
        if (!path) continue;
        if (writes.log.empty() || writes.log.back().size() == kLogDocuments)
            writes.log.emplace_back();
        writes.log.back().push_back({.path = *path, .fields = must(firestore::log_fields(*record))});
    }
    end_batch();
    return writes;
}

/// Seconds for all of them: the state one commit after the other, the log in parallel beside it.
double send_all_writes(const std::string& emulator, const Writes& writes) {
    const auto documents = must(firestore::open_firestore(
        {.project = "floor", .emulator = emulator, .timeout = std::chrono::minutes(1)}));
    const auto commit = [&](const std::vector<Write>& one) {
        if (const auto outcome = documents->commit(one); !outcome) give_up(outcome.error().text);
    };
    std::atomic<std::size_t> next = 0;
    const double begin = seconds_now();
    std::vector<std::thread> lanes;
    for (std::size_t lane = 0; lane < kLogLanes; ++lane)
        lanes.emplace_back([&] {
            for (std::size_t i; (i = next++) < writes.log.size();) commit(writes.log[i]);
        });
    for (const std::vector<Write>& one : writes.state) commit(one);
    for (std::thread& lane : lanes) lane.join();
    return seconds_now() - begin;
}

struct Outage {
    double p50_without = 0, p99_without = 0, p50_away = 0, p99_away = 0;  // us
    double grown_megabytes = 0;   // of the daemon's memory while it lasted
    double seconds_until_on = 0;  // from its end to the first commit that succeeded
    double caught_up = 0, floor = 0;  // records a second
};

Outage measure_outage(const std::string& bin, const std::string& folder, double seconds) {
    std::filesystem::remove_all(folder);
    const test::Emulator emulator;
    Loaded without(bin, folder + "/without", {});
    Loaded with(bin, folder + "/with",
                {"--set", "firestore.emulator=" + emulator.address(), "--firestore-bootstrap"});
    for (Loaded* const one : {&without, &with}) one->commits(kDocumentKeys);
    const Seq before = until(with, up_to_date).watermark;

    Outage outage;
    const std::uint64_t bytes_before = with.daemon.anonymous_bytes();
    std::vector<double> p50[2], p99[2];
    emulator.pause();
    const double begin = seconds_now();
    for (unsigned turn = 0; seconds_now() - begin < seconds; ++turn) {
        for (const unsigned which : {turn % 2, 1 - turn % 2}) {
            const Load load = (which == 0 ? without : with).commits(kBurst);
            p50[which].push_back(load.p50_us);
            p99[which].push_back(load.p99_us);
        }
        std::this_thread::sleep_for(kBetweenBursts);
    }
    const std::uint64_t bytes_now = with.daemon.anonymous_bytes();
    outage.grown_megabytes = (static_cast<double>(bytes_now) - static_cast<double>(bytes_before)) / 1e6;
    outage.p50_without = median(std::move(p50[0]));
    outage.p99_without = median(std::move(p99[0]));
    outage.p50_away = median(std::move(p50[1]));
    outage.p99_away = median(std::move(p99[1]));

    emulator.resume();
    const double resumed = seconds_now();
    const Followed first = until(with, [&](const Followed& now) { return now.watermark > before; });
    const double on = seconds_now();
    outage.seconds_until_on = on - resumed;
    const Followed last = until(with, up_to_date);
    outage.caught_up = static_cast<double>(last.watermark.value - first.watermark.value) /
                       (seconds_now() - on);
    const Writes writes = writes_of(with.folder, before.next(), last.watermark);
    outage.floor = static_cast<double>(last.watermark.value - before.value) /
                   send_all_writes(emulator.address(), writes);
    return outage;
}

}  // namespace

struct FirestoreWorld::State {
    const std::string bin, folder;
    Outage last = {};  ///< what the first row of a round has measured for all of them
};

FirestoreWorld::FirestoreWorld(std::string bin, std::string folder)
    : state_(std::make_unique<State>(std::move(bin), std::move(folder) + "/firestore")) {}
FirestoreWorld::~FirestoreWorld() = default;

bool FirestoreWorld::can_be() {
    return firestore::speaks_firestore() && !test::Emulator::jar().empty();
}

void add_firestore_rows(std::vector<Row>& rows, FirestoreWorld& world, double scale) {
    FirestoreWorld::State& state = world.state();
    const auto told = [&state](double Outage::* figure) {
        return [&state, figure] { return state.last.*figure; };
    };
    const std::string p50 = fmt::format("commit, HTTP, {} clients, p50: no Firestore", kClients);
    const std::string p99 = fmt::format("commit, HTTP, {} clients, p99: no Firestore", kClients);
    rows.push_back({p50, "us", [&state, scale] {
                        state.last = measure_outage(state.bin, state.folder, kOutageSeconds * scale);
                        return state.last.p50_without;
                    }});
    rows.push_back({"the same, Firestore away for minutes", "us", told(&Outage::p50_away), p50});
    rows.push_back({p99, "us", told(&Outage::p99_without)});
    rows.push_back({"the same, p99, Firestore away for minutes", "us", told(&Outage::p99_away), p99});
    rows.push_back({"memory that the outage took", "MB", told(&Outage::grown_megabytes)});
    rows.push_back({"from its end to the next commit", "s", told(&Outage::seconds_until_on)});
    const std::string floor = "emulator: serial state, parallel log commits";
    rows.push_back({floor, "/s", told(&Outage::floor)});
    rows.push_back({"catch-up after the outage", "/s", told(&Outage::caught_up), floor, 0.6});
}

}  // namespace se::bench
