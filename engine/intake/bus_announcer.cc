#include "engine/intake/bus_announcer.h"

#include <utility>

#include "journal/base/json.h"
#include "journal/base/time_text.h"

namespace se {
namespace {

constexpr std::string_view kOurs = "state-engine";
constexpr std::string_view kSystem = "system";
constexpr std::string_view kTopic = "internal.mcp.registration.v1";

}  // namespace

std::string registration_event(std::string_view url, std::string_view token, Time now) {
    std::string out;
    JsonObject event(out);
    event.text("v", "2")
        .text("correlationId", "reg-state-engine-" + std::to_string(now.time_since_epoch().count()))
        .text("type", kTopic);
    JsonObject payload(event.member("payload"));
    payload.text("name", kOurs)
        .text("transport", "sse")
        .text("url", url)
        .text("status", "active");
    JsonObject environment(payload.member("env"));
    if (!token.empty()) environment.text("Authorization", "Bearer " + std::string(token));
    environment.close();
    payload.close();
    JsonObject(event.member("ingress"))
        .text("ingressAt", to_text(now))
        .text("source", kOurs)
        .text("connector", kSystem)
        .close();
    JsonObject identity(event.member("identity"));
    JsonObject(identity.member("external")).text("id", kOurs).text("platform", kSystem).close();
    identity.close();
    JsonObject(event.member("egress"))
        .text("destination", kSystem)
        .text("connector", kSystem)
        .close();
    event.raw("routing", R"({"stage":"meta","slip":[],"history":[]})").close();
    return out;
}

BusAnnouncer::BusAnnouncer(BusLink& link, BusLink::Doors doors, Options options)
    : link_(link), doors_(doors), options_(std::move(options)) {
    link_.add(this);
}

void BusAnnouncer::announce() {
    if (!link_.up()) return;
    link_.bus().publish({.subject = link_.subjects().subject(kTopic),
                         .headers = {{"type", std::string(kTopic)}},
                         .payload = registration_event(options_.url, options_.token(), doors_.clock.wall())},
                        [this](Result<BusReceived> told) {
                            if (told) {
                                ++announced_;
                                return;
                            }
                            // The next connection tells it again.
                            doors_.log.write({Severity::warning,
                                              "state-engine.nats.not_announced",
                                              {{"error", told.error().text}}});
                        });
}

}  // namespace se
