#include "bench/bus_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include "bench/http_load.h"
#include "bench/store.h"
#include "engine/adapters/http_client.h"
#include "engine/adapters/nats_bus.h"
#include "engine/adapters/posix_clock.h"
#include "journal/base/json.h"
#include "tests/nats/nats_server.h"

namespace se::bench {
namespace {

using namespace std::chrono_literals;

constexpr const char* kStream = "BITBRAT";
constexpr const char* kMutations = "bench.internal.state.mutation.v1";
constexpr const char* kResults = "bench.internal.state.result.v1";
constexpr const char* kFloor = "bench.floor";
constexpr std::uint64_t kBusKeys = 10'000;
constexpr std::size_t kUnderWay = 256;
constexpr double kPatienceSeconds = 120;

/// Somebody else on the bus. Waits without spinning; nothing may go wrong.
class BusUser final : public MessageBus::Listener {
public:
    explicit BusUser(const std::string& url)
        : bus_({.url = url, .name = "bench"}, clock_, [this] { wake(); }) {
        bus_.listen(this);
        bus_.connect();
        until([this] { return bus_.connected(); });
    }

    void bus_connected() override {}
    void bus_lost(const std::string& why) override { give_up("the bus: " + why); }
    void bus_delivered(BusMessage&& message) override {
        ++delivered_;
        bus_.ack(message.receipt);
    }
    void bus_pull_ended(std::uint64_t) override {}

    NatsBus& bus() { return bus_; }
    std::uint64_t delivered() const { return delivered_; }
    /// Of the stream, that its publishes have got.
    std::uint64_t last() const { return last_; }
    /// When something came in last, as its own thread saw it.
    double came_at() const { return came_at_; }

    template <class Condition>
    void until(Condition condition) {
        const double end = seconds_now() + kPatienceSeconds;
        for (;;) {
            bus_.poll();
            if (condition()) return;
            if (seconds_now() > end) give_up("the bus does not answer");
            std::unique_lock lock(mutex_);
            woken_.wait_for(lock, 50ms, [this] { return std::exchange(wake_, false); });
        }
    }
    template <class T, class Call>
    T get(Call call) {
        std::optional<se::Result<T>> got;
        call([&](se::Result<T> answer) { got = std::move(answer); });
        until([&] { return got.has_value(); });
        return must(*std::move(got));
    }
    /// Publishes `count` messages, so many not acknowledged; returns the seconds it took.
    double publish(std::uint64_t count, std::size_t under_way_max, const char* subject,
                   const std::function<std::string()>& payload) {
        const double begin = seconds_now();
        std::uint64_t sent = 0, stored = 0;
        until([&] {
            for (; sent < count && sent - stored < under_way_max; ++sent)
                bus_.publish({.subject = subject, .payload = payload()},
                             [this, &stored](se::Result<BusReceived> received) {
                                 last_ = std::max(last_, must(std::move(received)).sequence);
                                 ++stored;
                             });
            return stored == count;
        });
        return seconds_now() - begin;
    }
    /// Listens to what comes on a subject from now on.
    void listen_to(const char* subject) {
        durable_ = fmt::format("bench-{}", ++durables_made);
        const auto stream =
            get<BusStream>([&](auto done) { bus_.find_stream(kStream, std::move(done)); });
        get<BusConsumer>([&](auto done) {
            bus_.make_consumer({.stream = kStream,
                                .durable = durable_,
                                .filter_subject = subject,
                                .start = stream.last + 1,
                                .ack_pending_max = 100'000},
                               std::move(done));
        });
    }
    void ask_for(std::uint64_t count) { bus_.pull(kStream, durable_, count); }

private:
    void wake() {
        came_at_ = seconds_now();
        const std::lock_guard lock(mutex_);
        wake_ = true;
        woken_.notify_one();
    }

    static inline int durables_made = 0;
    PosixClock clock_;
    std::mutex mutex_;
    std::condition_variable woken_;
    bool wake_ = false;
    std::atomic<double> came_at_ = 0;
    std::uint64_t delivered_ = 0, last_ = 0;
    std::string durable_;
    NatsBus bus_;  // last: its threads end first
};

}  // namespace

struct BusWorld::State {
    State(std::string the_bin, std::string the_folder)
        : bin(std::move(the_bin)), folder(std::move(the_folder)) {
        server.start();
        BusUser maker(server.url());
        maker.get<BusStream>(
            [&](auto done) { maker.bus().make_stream(kStream, {"bench.>"}, std::move(done)); });
    }

    std::string mutation() {
        ++sent;
        return fmt::format(
            R"({{"id":"bus-{:032}","op":"set","key":"{}","value":{},"actor":"bench","reason":"bench"}})",
            sent, key_of(sent * 7919 % kBusKeys), value_of(sent));
    }
    Daemon daemon(const std::string& data, bool publishes) const {
        const std::string told = publishes ? "true" : "false";
        return Daemon(bin, folder + "/" + data,
                      {"--set", "nats.url=" + server.url(), "--set", "nats.prefix=bench.", "--set",
                       "nats.register=false", "--set", "nats.publish.results=" + told, "--set",
                       "nats.publish.changes=" + told});
    }
    Json status(const std::string& data) const {
        HttpClient client =
            must(HttpClient::connect(HttpClient::address_of_socket(folder + "/" + data)));
        const HttpAnswer answer = must(client.get("/v1/operator/bus"));
        if (answer.status != 200) give_up("no status of the bus: " + answer.body);
        return must(parse_json(answer.body));
    }

    const std::string bin, folder;
    test::NatsServer server;
    std::uint64_t sent = 0;
    std::uint64_t last = 0;  ///< sequence of the last mutation on the stream
};

BusWorld::BusWorld(std::string bin, std::string folder)
    : state_(std::make_unique<State>(std::move(bin), std::move(folder))) {}
BusWorld::~BusWorld() = default;

bool BusWorld::can_be() {
    return test::NatsServer::is_there();
}

namespace {

std::uint64_t count_of(const Json& status, std::string_view name) {
    const Json* const count = status.find(name);
    if (count == nullptr || !count->is_integer()) give_up("a status without " + std::string(name));
    return static_cast<std::uint64_t>(count->integer());
}

/// Until all that other rows have left on the stream is taken and, where it publishes, told.
void settle(const BusWorld::State& world, const std::string& data) {
    const double end = seconds_now() + kPatienceSeconds;
    for (;;) {
        const Json status = world.status(data);
        const bool told = count_of(*status.find("publishing"), "lag") == 0;
        if (status.find("state")->string() == "taking" && told &&
            count_of(status, "sequence") >= world.last && count_of(status, "inHand") == 0)
            return;
        if (seconds_now() > end) give_up("what was there is not taken: " + to_text(status));
        std::this_thread::sleep_for(5ms);
    }
}

/// Mutations a second, of a backlog: all durable and acknowledged and, when it publishes, told.
double intake(BusWorld::State& world, std::uint64_t count, bool publishes) {
    const std::string data = publishes ? "bus-telling" : "bus-silent";
    {
        const Daemon before = world.daemon(data, publishes);
        settle(world, data);
    }
    {
        BusUser user(world.server.url());
        user.publish(count, kUnderWay, kMutations, [&] { return world.mutation(); });
        world.last = user.last();
    }
    const Daemon daemon = world.daemon(data, publishes);
    double begin = seconds_now();
    const double end = begin + kPatienceSeconds;
    std::uint64_t done_before = 0;
    for (bool first = true;;) {
        const Json status = world.status(data);
        const std::uint64_t done = count_of(status, "acknowledged");
        if (first && done > 0) {
            // From here on: opening the store is another row's.
            begin = seconds_now();
            done_before = done;
            first = false;
        }
        const bool told = !publishes || count_of(*status.find("publishing"), "lag") == 0;
        if (done >= count && told)
            return static_cast<double>(count - done_before) / (seconds_now() - begin);
        if (seconds_now() > end) give_up("the backlog is not taken");
        std::this_thread::sleep_for(2ms);
    }
}

/// Microseconds from an answer over HTTP to its result at a subscriber.
double egress(BusWorld::State& world, std::uint64_t count) {
    const std::string data = "bus-egress";
    const Daemon daemon = world.daemon(data, true);
    settle(world, data);
    BusUser subscriber(world.server.url());
    subscriber.listen_to(kResults);
    HttpClient client = must(HttpClient::connect({.host = "127.0.0.1", .port = daemon.port()}));
    std::vector<double> took;
    for (std::uint64_t i = 0; i < count; ++i) {
        if (i % 500 == 0) subscriber.ask_for(std::min<std::uint64_t>(500, count - i));
        const HttpAnswer answer = must(client.post("/v1/mutations", world.mutation()));
        const double committed = seconds_now();
        if (answer.status != 200) give_up(answer.body);
        subscriber.until([&] { return subscriber.delivered() == i + 1; });
        took.push_back((subscriber.came_at() - committed) * 1e6);
    }
    return median(std::move(took));
}

/// Microseconds from a publish to a subscriber of the stream; nothing of ours is in between.
double message_floor(BusWorld::State& world, std::uint64_t count) {
    BusUser publisher(world.server.url()), subscriber(world.server.url());
    subscriber.listen_to(kFloor);
    std::vector<double> took;
    for (std::uint64_t i = 0; i < count; ++i) {
        if (i % 500 == 0) subscriber.ask_for(std::min<std::uint64_t>(500, count - i));
        const double begin = seconds_now();
        publisher.bus().publish(
            {.subject = kFloor, .payload = world.mutation()},
            [](se::Result<BusReceived> received) { must(std::move(received)); });
        subscriber.until([&] { return subscriber.delivered() == i + 1; });
        took.push_back((subscriber.came_at() - begin) * 1e6);
        publisher.bus().poll();
    }
    return median(std::move(took));
}

double request_floor(BusWorld::State& world, std::uint64_t count) {
    BusUser user(world.server.url());
    std::vector<double> took;
    for (std::uint64_t i = 0; i < count; ++i) {
        const double begin = seconds_now();
        user.get<BusStream>([&](auto done) { user.bus().find_stream(kStream, std::move(done)); });
        took.push_back((seconds_now() - begin) * 1e6);
    }
    return median(std::move(took));
}

}  // namespace

void add_bus_rows(std::vector<Row>& rows, BusWorld& world, double scale) {
    BusWorld::State& state = world.state();
    const auto scaled = [scale](double count, double min) {
        return static_cast<std::uint64_t>(std::max(count * scale, min));
    };
    const std::uint64_t many = scaled(30'000, 2'000), few = scaled(1'000, 50);
    const std::string publish =
        fmt::format("nats-server: publishes acknowledged, {} under way", kUnderWay);
    rows.push_back({publish, "/s", [&state, many] {
                        BusUser user(state.server.url());
                        return static_cast<double>(many) /
                               user.publish(many, kUnderWay, kFloor,
                                            [&] { return state.mutation(); });
                    }});
    rows.push_back({"bus: mutations taken, durable, acknowledged", "/s",
                    [&state, many] { return intake(state, many, false); }, publish});
    rows.push_back({"bus: the same, results and changes published", "/s",
                    [&state, many] { return intake(state, many, true); }, publish});
    rows.push_back({"nats-server: a request and its answer", "us",
                    [&state, few] { return request_floor(state, few); }});
    const std::string message = "nats-server: from a publish to a subscriber";
    rows.push_back({message, "us", [&state, few] { return message_floor(state, few); }});
    rows.push_back({"bus: from a commit to a subscriber of results", "us",
                    [&state, few] { return egress(state, few); }, message});
}

}  // namespace se::bench
