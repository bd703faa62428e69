// One contract, two brokers: what is proved over the simulated bus is only worth something if a
// real nats-server keeps the same promises.

#include <doctest/doctest.h>

#include <atomic>
#include <numeric>
#include <optional>
#include <thread>

#include "engine/adapters/nats_wire.h"
#include "engine/adapters/nats_bus.h"
#include "engine/adapters/posix_clock.h"
#include "tests/nats/nats_server.h"
#include "tests/sim/sim_bus.h"

using namespace se;
using namespace std::chrono_literals;

namespace {

constexpr const char* kStream = "BITBRAT";
constexpr const char* kSubject = "local.internal.state.mutation.v1";

/// A server, and buses to it; time passes while one waits.
struct RealWorld {
    test::NatsServer server;
    PosixClock clock;
    std::chrono::milliseconds pull_expires = 20s;

    RealWorld() { server.start(); }
    std::unique_ptr<MessageBus> bus() {
        return std::make_unique<NatsBus>(NatsBus::Options{.url = server.url(),
                                                          .name = "test",
                                                          .timeout = 2s,
                                                          .pull_expires = pull_expires},
                                         clock, [] {});
    }
    void pass(std::chrono::milliseconds time) { std::this_thread::sleep_for(time); }
    void go_away() { server.kill_hard(); }
    void come_back() { server.start(); }
};

struct SimulatedWorld {
    SimClock clock;
    SimBroker broker{clock, 7};

    std::unique_ptr<MessageBus> bus() { return std::make_unique<SimBus>(broker); }
    void pass(std::chrono::milliseconds time) { clock.advance(time); }
    void go_away() { broker.away = true; }
    void come_back() { broker.away = false; }
};

template <class World>
struct Client final : MessageBus::Listener {
    explicit Client(World& the_world) : world(the_world), bus(the_world.bus()) {
        bus->listen(this);
        connect();
    }
    void bus_connected() override { up = true; }
    void bus_lost(const std::string&) override { ++lost; }
    void bus_delivered(BusMessage&& message) override { messages.push_back(std::move(message)); }
    void bus_pull_ended(std::uint64_t left) override { ended.push_back(left); }

    void connect() {
        up = false;
        bus->connect();
        wait([this] { return up; });
    }
    template <class Condition>
    void wait(Condition condition) {
        for (int i = 0; i < 20'000; ++i) {
            bus->poll();
            if (condition()) return;
            world.pass(1ms);
        }
        FAIL("it does not come");
    }
    /// For a while nothing may come.
    void idle(std::chrono::milliseconds time) {
        for (auto passed = 0ms; passed < time; passed += 5ms) {
            bus->poll();
            world.pass(5ms);
        }
        bus->poll();
    }
    /// Calls, and waits for the answer.
    template <class T, class Call>
    Result<T> get(Call call) {
        std::optional<Result<T>> got;
        call([&](Result<T> answer) {
            REQUIRE(!got);
            got = std::move(answer);
        });
        REQUIRE(!got);  // never from within the call
        wait([&] { return got.has_value(); });
        return *std::move(got);
    }
    Result<BusReceived> publish(BusOutgoing message) {
        return get<BusReceived>([&](auto done) { bus->publish(std::move(message), done); });
    }
    Result<BusStream> make_stream() {
        return get<BusStream>([&](auto done) { bus->make_stream(kStream, {"local.>"}, done); });
    }
    Result<BusConsumer> make_consumer(BusConsumerSpec spec) {
        spec.stream = kStream;
        spec.filter_subject = kSubject;
        return get<BusConsumer>([&](auto done) { bus->make_consumer(spec, done); });
    }
    BusConsumer consumer(const std::string& durable) {
        const auto info =
            get<BusConsumer>([&](auto done) { bus->find_consumer(kStream, durable, done); });
        REQUIRE(info);
        return *info;
    }
    void publish_numbered(int from, int to) {
        for (int i = from; i <= to; ++i)
            REQUIRE(publish({.subject = kSubject, .payload = std::to_string(i)}));
    }
    std::vector<std::string> payloads() const {
        std::vector<std::string> texts;
        for (const BusMessage& message : messages) texts.push_back(message.payload);
        return texts;
    }

    World& world;
    std::unique_ptr<MessageBus> bus;
    bool up = false;
    int lost = 0;
    std::vector<BusMessage> messages;
    std::vector<std::uint64_t> ended;
};

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE_TEMPLATE("a stream is found, made and made again alike", World, RealWorld,
                   SimulatedWorld) {
    World world;
    Client<World> client(world);
    const auto find = [&] {
        return client.template get<BusStream>(
            [&](auto done) { client.bus->find_stream(kStream, done); });
    };
    const auto find_of = [&](const std::string& subject) {
        return client.template get<std::string>(
            [&](auto done) { client.bus->find_stream_of(subject, done); });
    };
    const auto none = find();
    REQUIRE(!none);
    CHECK(none.error().code == Errc::not_found);
    const auto nobody = client.publish({.subject = kSubject, .payload = "{}"});
    REQUIRE(!nobody);
    CHECK(nobody.error().code == Errc::not_found);
    CHECK(find_of(kSubject).error().code == Errc::not_found);

    const auto made = client.make_stream();
    REQUIRE_MESSAGE(made, made.error().text);
    CHECK(made->name == kStream);
    CHECK(made->subjects == Texts{"local.>"});
    CHECK(!made->created.empty());
    const auto again = client.make_stream();
    REQUIRE(again);
    CHECK(again->created == made->created);
    REQUIRE(find());
    CHECK(find()->created == made->created);
    REQUIRE(find_of(kSubject));
    CHECK(*find_of(kSubject) == kStream);
    const auto other = client.template get<BusStream>(
        [&](auto done) { client.bus->make_stream(kStream, {"other.>"}, done); });
    REQUIRE(!other);
    CHECK(other.error().code == Errc::malformed);
}

TEST_CASE_TEMPLATE("what is published is acknowledged, once under one id", World, RealWorld,
                   SimulatedWorld) {
    World world;
    Client<World> client(world);
    REQUIRE(client.make_stream());
    const auto first = client.publish({.subject = "local.a", .payload = "1", .id = "x"});
    REQUIRE_MESSAGE(first, first.error().text);
    CHECK(first->stream == kStream);
    CHECK(first->sequence == 1);
    CHECK(!first->duplicate);
    const auto again = client.publish({.subject = "local.a", .payload = "2", .id = "x"});
    REQUIRE(again);
    CHECK(again->sequence == 1);
    CHECK(again->duplicate);
    CHECK(client.publish({.subject = "local.b", .payload = "", .id = ""})->sequence == 2);
    const auto large =
        client.publish({.subject = "local.a", .payload = std::string((1u << 20) + 1, 'x')});
    REQUIRE(!large);
    CHECK(large.error().code == Errc::too_large);
    const auto elsewhere = client.publish({.subject = "elsewhere", .payload = "1"});
    REQUIRE(!elsewhere);
    CHECK(elsewhere.error().code == Errc::not_found);
}

TEST_CASE_TEMPLATE("a durable that is pulled from delivers in order, from where it is told", World,
                   RealWorld, SimulatedWorld) {
    World world;
    Client<World> client(world);
    REQUIRE(client.make_stream());
    REQUIRE(client.publish(
        {.subject = kSubject, .headers = {{"correlationId", "c1"}, {"x", "y"}}, .payload = "1"}));
    REQUIRE(client.publish({.subject = "local.other", .payload = "not for us"}));
    client.publish_numbered(2, 4);
    REQUIRE(client.make_consumer({.durable = "all"}));
    REQUIRE(client.make_consumer({.durable = "from3", .start = 4}));
    client.idle(20ms);
    CHECK(client.messages.empty());  // nothing that nobody asked for

    client.bus->pull(kStream, "all", 3);
    client.wait([&] { return client.messages.size() == 3; });
    CHECK(client.payloads() == Texts{"1", "2", "3"});
    const BusMessage& first = client.messages[0];
    CHECK(first.subject == kSubject);
    CHECK(first.stream == kStream);
    CHECK(first.sequence == 1);
    CHECK(client.messages[1].sequence == 3);
    CHECK(first.delivery == 1);
    CHECK(client.messages[2].delivery == 3);
    CHECK(first.deliveries == 1);
    CHECK(first.time > 0);
    CHECK(first.time < client.messages[1].time);
    CHECK(first.behind == 3);
    CHECK(client.messages[2].behind == 1);
    CHECK(bus_header(first.headers, "correlationid") == "c1");
    CHECK(bus_header(first.headers, "x") == "y");
    CHECK(client.consumer("all").ack_pending == 3);
    CHECK(client.consumer("all").ack_floor == 0);
    CHECK(client.consumer("all").pending == 1);
    for (const BusMessage& message : client.messages) client.bus->ack(message.receipt);
    client.wait([&] { return client.consumer("all").ack_pending == 0; });
    CHECK(client.consumer("all").ack_floor == 4);

    client.messages.clear();
    client.bus->pull(kStream, "from3", 10);
    client.wait([&] { return client.messages.size() == 2; });
    CHECK(client.payloads() == Texts{"3", "4"});

    const auto drop = [&] {
        return client.template get<Ok>(
            [&](auto done) { client.bus->drop_consumer(kStream, "all", done); });
    };
    CHECK(drop());
    CHECK(drop().error().code == Errc::not_found);
}

TEST_CASE_TEMPLATE("a pull that nothing comes of ends", World, RealWorld, SimulatedWorld) {
    World world;
    Client<World> client(world);
    REQUIRE(client.make_stream());
    REQUIRE(client.make_consumer({.durable = "d"}));
    client.bus->pull(kStream, "d", 5);
    if constexpr (std::is_same_v<World, SimulatedWorld>) {
        client.wait([&] { return !client.ended.empty(); });
    } else {
        // Its own time is long; deleting the consumer ends it, too.
        REQUIRE(client.template get<Ok>(
            [&](auto done) { client.bus->drop_consumer(kStream, "d", done); }));
        client.wait([&] { return !client.ended.empty(); });
    }
    CHECK(client.ended.front() == 5);
    CHECK(client.messages.empty());
}

TEST_CASE_TEMPLATE("of several pulls the ends say how much in all has not come", World, RealWorld,
                   SimulatedWorld) {
    World world;
    if constexpr (std::is_same_v<World, RealWorld>) world.pull_expires = 300ms;
    Client<World> client(world);
    REQUIRE(client.make_stream());
    REQUIRE(client.make_consumer({.durable = "d"}));
    for (const std::uint64_t count : {3, 7}) client.bus->pull(kStream, "d", count);
    client.publish_numbered(1, 4);
    // Neither is fulfilled if they are served in turns, and the first one if they are not.
    client.wait([&] { return client.messages.size() == 4 && !client.ended.empty(); });
    client.wait([&] {
        return std::accumulate(client.ended.begin(), client.ended.end(), std::uint64_t{}) == 6;
    });
    client.idle(400ms);
    CHECK(client.ended.size() <= 2);
}

TEST_CASE_TEMPLATE("what is not acknowledged comes again", World, RealWorld, SimulatedWorld) {
    World world;
    Client<World> client(world);
    REQUIRE(client.make_stream());
    client.publish_numbered(1, 4);
    REQUIRE(client.make_consumer({.durable = "d", .ack_wait = 300ms}));
    client.bus->pull(kStream, "d", 4);
    client.wait([&] { return client.messages.size() == 4; });
    client.bus->pull(kStream, "d", 100);
    client.bus->ack(client.messages[0].receipt);
    client.bus->nak(client.messages[1].receipt, 30ms);
    client.bus->term(client.messages[2].receipt);
    // The fourth is worked on for longer than the ack wait.
    for (int i = 0; i < 8; ++i) {
        client.idle(50ms);
        client.bus->in_progress(client.messages[3].receipt);
    }
    for (std::size_t i = 4; i < client.messages.size(); ++i) {
        CHECK(client.messages[i].sequence == 2);  // the one that was refused
        CHECK(client.messages[i].deliveries > 1);
        CHECK(client.messages[i].time == client.messages[1].time);
        CHECK(client.messages[i].delivery > 4);
    }
    CHECK(client.messages.size() > 4);
    client.bus->ack(client.messages.back().receipt);
    // And nobody works on it any more.
    client.wait([&] { return client.messages.back().sequence == 4 && client.messages.size() > 5; });
    client.bus->ack(client.messages.back().receipt);
    client.wait([&] { return client.consumer("d").ack_floor == 4; });
    const std::size_t count = client.messages.size();
    client.idle(600ms);
    CHECK(client.messages.size() == count);
}

TEST_CASE_TEMPLATE("no more is delivered than may be unacknowledged", World, RealWorld,
                   SimulatedWorld) {
    World world;
    Client<World> client(world);
    REQUIRE(client.make_stream());
    client.publish_numbered(1, 6);
    REQUIRE(client.make_consumer({.durable = "d", .ack_pending_max = 2}));
    client.bus->pull(kStream, "d", 6);
    client.wait([&] { return client.messages.size() == 2; });
    client.idle(50ms);
    CHECK(client.messages.size() == 2);
    client.bus->ack(client.messages[0].receipt);
    client.wait([&] { return client.messages.size() == 3; });
}

TEST_CASE_TEMPLATE("a durable that pushes is bound by one, and goes on where it stopped", World,
                   RealWorld, SimulatedWorld) {
    World world;
    Client<World> client(world);
    REQUIRE(client.make_stream());
    client.publish_numbered(1, 3);
    REQUIRE(client.make_consumer(
        {.durable = "d", .deliver_subject = "_INBOX.original", .deliver_group = "state-engine"}));
    BusConsumer consumer = client.consumer("d");
    CHECK(consumer.deliver_subject == "_INBOX.original");
    CHECK(consumer.deliver_group == "state-engine");
    CHECK(consumer.ack_wait == 60s);
    CHECK(!consumer.bound);
    {
        Client<World> original(world);
        original.bus->bind(consumer);
        original.wait([&] { return original.messages.size() == 3; });
        original.bus->ack(original.messages[0].receipt);
        client.wait([&] { return client.consumer("d").ack_floor == 1; });
        CHECK(client.consumer("d").bound);
        original.bus->nak(original.messages[1].receipt, 100ms);
        original.bus->nak(original.messages[2].receipt, 100ms);
        client.wait([&] { return client.consumer("d").bound; });
        original.bus->disconnect();
        client.wait([&] { return !client.consumer("d").bound; });
    }
    client.bus->bind(consumer);
    client.wait([&] { return client.messages.size() == 2; });
    CHECK(client.messages[0].sequence + client.messages[1].sequence == 5);
}

TEST_CASE_TEMPLATE("who asked is answered once, however often the connection is let go of before",
                   World, RealWorld, SimulatedWorld) {
    World world;
    Client<World> client(world);
    REQUIRE(client.make_stream());
    int answers = 0;
    for (int i = 0; i < 3; ++i)
        client.bus->publish({.subject = kSubject, .payload = "x"},
                            [&](Result<BusReceived>) { ++answers; });
    client.bus->disconnect();
    client.bus->disconnect();
    client.wait([&] { return answers == 3; });
    client.idle(50ms);
    CHECK(answers == 3);
    CHECK(client.lost == 0);
    client.connect();
    CHECK(client.lost == 0);
}

TEST_CASE_TEMPLATE("a server that goes away is told once, and what was under way is unavailable",
                   World, RealWorld, SimulatedWorld) {
    World world;
    Client<World> client(world);
    REQUIRE(client.make_stream());
    world.go_away();
    std::vector<std::string> told;
    client.bus->publish({.subject = kSubject, .payload = "1"}, [&](Result<BusReceived> answer) {
        told.push_back(answer                                     ? "received"
                       : answer.error().code == Errc::unavailable ? "unavailable"
                                                                  : "?");
    });
    client.wait([&] { return client.lost == 1 && told.size() == 1; });
    CHECK(told[0] == "unavailable");
    CHECK(!client.bus->connected());
    const auto away = client.publish({.subject = kSubject, .payload = "2"});
    REQUIRE(!away);
    CHECK(away.error().code == Errc::unavailable);

    client.bus->connect();
    client.wait([&] { return client.lost == 2; });
    world.come_back();
    client.connect();
    CHECK(client.lost == 2);
    // The stream outlives its server, and so does what it holds.
    REQUIRE(client.publish({.subject = kSubject, .payload = "3"}));
    REQUIRE(client.make_consumer({.durable = "d"}));
    client.bus->pull(kStream, "d", 5);
    client.wait([&] { return !client.messages.empty() && client.messages.back().payload == "3"; });
}

TEST_CASE("who has not the server's token stays outside, and is told so") {
    test::NatsServer server({"--auth", "of-the-bus"});
    server.start();
    PosixClock clock;
    struct Listener final : MessageBus::Listener {
        void bus_connected() override { up = true; }
        void bus_lost(const std::string& text) override { why = text; }
        void bus_delivered(BusMessage&&) override {}
        void bus_pull_ended(std::uint64_t) override {}
        bool up = false;
        std::string why;
    };
    const auto outcome = [&](const std::string& token) {
        Listener listener;
        NatsBus bus({.url = server.url(), .name = "test", .token = token, .timeout = 2s}, clock,
                    [] {});
        bus.listen(&listener);
        bus.connect();
        for (int i = 0; i < 10'000 && !listener.up && listener.why.empty(); ++i) {
            bus.poll();
            std::this_thread::sleep_for(1ms);
        }
        return listener.up ? "in" : listener.why;
    };
    CHECK(outcome("of-the-bus") == "in");
    for (const char* wrong : {"", "another"}) {
        const std::string why = outcome(wrong);
        CHECK(why != "in");
        CHECK(why.find("of-the-bus") == std::string::npos);
        CHECK(why.find("another") == std::string::npos);
    }
}

TEST_CASE("a delivery says by its reply subject which message it is, and when that was stored") {
    for (const char* const reply : {"$JS.ACK.S.d.2.7.9.1700000000123456789.4",
                                    "$JS.ACK.domain.account.S.d.2.7.9.1700000000123456789.4.token"}) {
        const auto delivery = js_delivery(reply);
        REQUIRE(delivery);
        CHECK(delivery->stream == "S");
        CHECK(delivery->deliveries == 2);
        CHECK(delivery->sequence == 7);
        CHECK(delivery->delivery == 9);
        CHECK(delivery->behind == 4);
        CHECK(delivery->time == 1'700'000'000'123'456'789);
    }
    CHECK_FALSE(js_delivery("$JS.ACK.S.d.2.7.9.17"));
}

TEST_CASE("a server that is full, busy or slow is waited for, and one that refuses is not") {
    const auto meant = [](int code, int which) {
        const auto got = js_received(R"({"error":{"code":)" + std::to_string(code) + R"(,"err_code":)" +
                                     std::to_string(which) + R"(,"description":"no"}})");
        REQUIRE(!got);
        return got.error().code;
    };
    CHECK(meant(503, 10'077) == Errc::unavailable);  // maximum messages exceeded
    CHECK(meant(400, 10'002) == Errc::unavailable);  // the account's limits are exceeded
    CHECK(meant(429, 10'167) == Errc::unavailable);  // too many at once
    CHECK(meant(408, 0) == Errc::unavailable);
    CHECK(meant(404, 10'059) == Errc::not_found);
    CHECK(meant(400, 10'054) == Errc::malformed);  // the message is larger than the stream takes
}

TEST_CASE("a subject fits a pattern token by token") {
    CHECK(bus_subject_matches("local.>", "local.a.b"));
    CHECK(!bus_subject_matches("local.>", "local"));
    CHECK(bus_subject_matches("local.*.b", "local.a.b"));
    CHECK(!bus_subject_matches("local.*", "local.a.b"));
    CHECK(bus_subject_matches("a.b", "a.b"));
    CHECK(!bus_subject_matches("a.b", "a.c"));
    CHECK(!bus_subject_matches("a.b.c", "a.b"));
    CHECK(bus_subject_matches(">", "a"));
}
