#include "tools/daemon_nats.h"

#include <algorithm>
#include <utility>

#include "engine/adapters/posix_filesystem.h"
#include "engine/egress/bus_messages.h"
#include "engine/policy/yaml.h"
#include "journal/base/json.h"
#include "projection/fold.h"
#include "tools/daemon_surroundings.h"

namespace se {
namespace {

constexpr std::string_view kIntakeTopic = "internal.state.mutation.v1";

BusLink::Options link_options(const NatsSettings& nats) {
    return {.subjects = BusSubjects(nats.prefix), .stream = nats.stream};
}

/// As the original names its durable.
std::string original_durable(const NatsSettings& nats) {
    std::string name = nats.prefix + std::string(kIntakeTopic);
    std::ranges::replace(name, '.', '-');
    return name + "-state-engine-durable";
}

BusIntake::Options intake_options(const NatsSettings& nats) {
    return {.durable = nats.takeover ? original_durable(nats) : "",
            .takeover = nats.takeover,
            .passes_on = !nats.shadow,
            .ack_wait = nats.ack_wait,
            .in_flight = nats.in_flight,
            .in_flight_bytes = nats.in_flight_bytes};
}

/// What of nats.url cannot be meant; empty when all can. It may hold a password, so nothing of it
/// is said.
std::string url_problem(std::string_view url) {
    for (std::size_t begin = 0, count = 1; begin <= url.size(); ++count) {
        const std::size_t end = std::min(url.find(',', begin), url.size());
        const std::string_view one = url.substr(begin, end - begin);
        begin = end + 1;
        const auto wrong = [count](std::string_view why) {
            return "nats.url: its server number " + std::to_string(count) + " " + std::string(why);
        };
        const std::size_t scheme = one.find("://"), at = one.rfind('@');
        if (scheme != one.npos && one.substr(0, scheme) != "nats" && one.substr(0, scheme) != "tls")
            return wrong("begins neither with nats:// nor with tls://");
        if (scheme == one.npos && at != one.npos)
            return wrong(
                "has a user or a password and does not begin with nats:// or tls://; a comma in a "
                "password parts servers: use nats.token or nats.credentials");
        const std::size_t host = at != one.npos ? at + 1 : scheme != one.npos ? scheme + 3 : 0;
        const std::string_view place = one.substr(host, one.find('/', host) - host);
        // [::1]:4222 is a host, too.
        const std::size_t bracket = place.rfind(']');
        const std::size_t colon = place.find(':', bracket == place.npos ? 0 : bracket);
        const std::string_view port =
            colon == place.npos ? std::string_view("4222") : place.substr(colon + 1);
        if (place.substr(0, colon).empty()) return wrong("has no host");
        if (port.empty() || port.size() > 5 ||
            !std::ranges::all_of(port, [](char c) { return c >= '0' && c <= '9'; }))
            return wrong(
                "has a port that is no number: it must be <host>:<port>, or the host alone");
    }
    return {};
}

struct Metric {
    std::string& out;

    void head(std::string_view name, std::string_view kind, std::string_view meaning) {
        out += "# HELP state_engine_bus_" + std::string(name) + " " + std::string(meaning) + "\n";
        out += "# TYPE state_engine_bus_" + std::string(name) + " " + std::string(kind) + "\n";
    }
    void value(std::string_view name, std::string_view labels, std::uint64_t number) {
        out += "state_engine_bus_" + std::string(name) + std::string(labels) + " " +
               std::to_string(number) + "\n";
    }
};

}  // namespace

Result<NatsSettings> load_nats_settings(const DaemonOptions& options) {
    NatsSettings nats;
    SE_TRY(text, config_text(options));
    if (!text.empty()) {
        SE_TRY(document, parse_yaml(text));
        if (const Json* const section = document.root.find(kNatsSection))
            SE_TRY_OK(read_nats_section(&nats, *section));
    }
    SE_TRY_OK(apply_nats_environment(&nats, environment));
    for (const auto& [name, value] : options.settings)
        if (is_nats_setting(name)) SE_TRY_OK(set_nats_setting(&nats, name, value));
    if (const std::string wrong = DaemonBus::problem(nats); !wrong.empty())
        return Error{Errc::malformed, wrong};
    return nats;
}

std::string DaemonBus::problem(const NatsSettings& nats) {
    if (const std::string wrong = BusSubjects::problem(nats.prefix); !wrong.empty())
        return "nats.prefix " + wrong;
    if (nats.url.empty()) return {};
    if (!has_message_bus())
        return "nats.url is set, and this program was built without the library for it (libnats)";
    if (const std::string wrong = url_problem(nats.url); !wrong.empty()) return wrong;
    if (nats.stream.find_first_of(".*> \t/\\") != std::string::npos)
        return "nats.stream must be a name without dots, wildcards, slashes or blanks";
    if (nats.shadow && nats.takeover)
        return "nats.mode shadow and nats.takeover do not go together: a shadow leaves the "
               "original's "
               "durable to the original";
    if (nats.tls_certificate.empty() != nats.tls_key.empty())
        return "nats.tls_certificate and nats.tls_key are needed together";
    PosixFileSystem files;
    for (const std::string& path :
         {nats.credentials, nats.tls_ca, nats.tls_certificate, nats.tls_key}) {
        if (path.empty()) continue;
        if (const auto file = files.open(path, OpenMode::read); !file)
            return "a file of the bus cannot be read: " + file.error().text;
    }
    return {};
}

std::unique_ptr<DaemonBus> DaemonBus::make(const NatsSettings& nats, World world) {
    if (nats.url.empty()) {
        world.log.write({Severity::info,
                         "state-engine.nats.off",
                         {{"why", "NATS_URL (nats.url) names no server: there is no bus"}}});
        return nullptr;
    }
    auto bus = make_message_bus(nats, world);
    SE_ASSERT(bus != nullptr);
    return std::unique_ptr<DaemonBus>(new DaemonBus(nats, std::move(world), std::move(bus)));
}

DaemonBus::DaemonBus(const NatsSettings& nats, World world, std::unique_ptr<MessageBus> bus)
    : nats_(nats),
      world_(std::move(world)),
      bus_(std::move(bus)),
      link_({*bus_, world_.clock, world_.random, world_.log}, link_options(nats)),
      intake_(link_, {*bus_, world_.clock, world_.random, world_.log}, intake_options(nats)),
      sink_(link_,
            [this](const std::string& key, Seq before) { return entry_before(key, before); }) {
    if (nats_.shadow) return;
    auto crossing = std::make_unique<PostedSink>(sink_, world_.wake, world_.followers.waker());
    crossing_ = crossing.get();
    world_.followers.add(world_.publishing,
                         BusMessages({.subjects = link_.subjects(),
                                      .results = nats_.publish_results,
                                      .changes = nats_.publish_changes}),
                         std::move(crossing));
}

DaemonBus::~DaemonBus() {
    link_.close();
}

void DaemonBus::listens_on(std::uint16_t port, std::function<std::string()> token) {
    if (!nats_.announce || nats_.shadow || announcer_ != nullptr) return;
    std::string url = nats_.external_url;
    if (url.empty()) url = "http://state-engine.bitbrat.local:" + std::to_string(port) + "/sse";
    announcer_ = std::make_unique<BusAnnouncer>(
        link_, BusLink::Doors{*bus_, world_.clock, world_.random, world_.log},
        BusAnnouncer::Options{.url = std::move(url), .token = std::move(token)});
}

void DaemonBus::token_changed() {
    if (announcer_ != nullptr) announcer_->announce();
}

void DaemonBus::attach(Engine* engine) {
    engine_ = engine;
    intake_.attach(engine);
}

/// The entry that a conflict met: by the record that made it so.
std::optional<std::string> DaemonBus::entry_before(const std::string& key, Seq before) {
    if (engine_ == nullptr) return std::nullopt;
    const auto changed = engine_->changed_before(key, before);
    if (!changed) return std::nullopt;
    if (!*changed) return "null";
    auto reader = JournalReader::open(world_.files, world_.paths);
    if (!reader) return std::nullopt;
    const auto record = reader->at(**changed);
    if (!record) return std::nullopt;
    std::string text = "null";
    Folder folder;
    const Status folded =
        folder.fold(**record, [&](std::string_view its_key, const EntryView& entry) -> Status {
            if (its_key != key || entry.deleted) return Ok{};
            text.clear();
            append_entry_json(text, key, entry);
            return Ok{};
        });
    return folded ? std::optional(text) : std::nullopt;
}

void DaemonBus::turn() {
    link_wait_ = link_.turn();
    if (crossing_ != nullptr) crossing_->turn();
    intake_.turn();
}

std::chrono::nanoseconds DaemonBus::settle() {
    return std::min(link_wait_, intake_.turn());
}

void DaemonBus::drain() {
    intake_.drain();
}

void DaemonBus::close() {
    engine_ = nullptr;
    intake_.attach(nullptr);
    link_.close();
}

std::string DaemonBus::status() const {
    const BusLink::Facts link = link_.facts();
    const BusIntake::Facts intake = intake_.facts();
    std::string out;
    JsonObject json(out);
    json.text("mode", nats_.shadow ? "shadow" : "live")
        .boolean("connected", link.connected)
        .text("state", intake.state)
        .text("breaker", to_text(link.breaker))
        .text("subject", link_.subjects().intake());
    if (link_.up()) json.text("stream", link_.stream().name);
    if (const std::string trouble = link.trouble.empty() ? intake.trouble : link.trouble;
        !trouble.empty())
        json.text("trouble", trouble);
    if (!intake.durable.empty()) json.text("durable", intake.durable);
    json.integer("sequence", intake.sequence)
        .integer("lag", intake.lag)
        .integer("inHand", intake.in_hand)
        .integer("inHandBytes", intake.in_hand_bytes)
        .integer("messages", intake.messages)
        .integer("acknowledged", intake.acknowledged)
        .integer("redelivered", intake.redelivered)
        .integer("retried", intake.retried)
        .integer("refused", intake.refused)
        .integer("passedOn", intake.onward)
        .integer("announced", announcer_ != nullptr ? announcer_->announced() : 0)
        .integer("connects", link.connects)
        .integer("losses", link.losses);
    for (FollowerStatus& one : world_.followers.statuses()) {
        if (one.name != kFollower) continue;
        if (engine_ != nullptr) measure_lag(one, engine_->durable());
        append_json(json.member("publishing"), one);
    }
    json.close();
    return out;
}

std::string DaemonBus::metrics() const {
    const BusLink::Facts link = link_.facts();
    const BusIntake::Facts intake = intake_.facts();
    std::string out;
    Metric metric{out};
    metric.head("up", "gauge", "1: connected, and the stream is there.");
    metric.value("up", "", link.up ? 1 : 0);
    metric.head("breaker", "gauge",
                "Circuit breaker of the connection: 0 closed, 1 half open, 2 open.");
    metric.value("breaker", "", static_cast<std::uint64_t>(link.breaker));
    metric.head("connects_total", "counter", "Connections that were made.");
    metric.value("connects_total", "", link.connects);
    metric.head("losses_total", "counter", "Connections that broke.");
    metric.value("losses_total", "", link.losses);
    const std::string subject = "subject=\"" + std::string(kIntakeTopic) + "\"";
    metric.head("messages_total", "counter",
                "Messages of the bus by subject and what became of them.");
    const auto message = [&](std::string_view outcome, std::uint64_t count) {
        metric.value("messages_total", "{" + subject + ",outcome=\"" + std::string(outcome) + "\"}",
                     count);
    };
    message("received", intake.messages);
    message("redelivered", intake.redelivered);
    message("acknowledged", intake.acknowledged);
    message("retried", intake.retried);
    message("refused", intake.refused);
    message("passed_on", intake.onward);
    for (const auto& [topic, counts] : sink_.counts()) {
        const auto published = [&](std::string_view outcome, std::uint64_t count) {
            metric.value("messages_total",
                         "{subject=\"" + topic + "\",outcome=\"" + std::string(outcome) + "\"}",
                         count);
        };
        published("published", counts.acknowledged);
        published("known", counts.duplicates);
        published("refused", counts.refused);
        published("outage", counts.outages);
    }
    metric.head("in_hand", "gauge", "Messages taken and not acknowledged yet.");
    metric.value("in_hand", "", intake.in_hand);
    metric.head("in_hand_bytes", "gauge", "Their bytes.");
    metric.value("in_hand_bytes", "", intake.in_hand_bytes);
    metric.head("lag", "gauge",
                "Messages of the durable that are not acknowledged yet.");
    metric.value("lag", "", intake.lag);
    return out;
}

}  // namespace se
