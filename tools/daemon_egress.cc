#include "tools/daemon_egress.h"

#include <algorithm>

#include "engine/adapters/http_webhook.h"
#include "engine/egress/file_sink.h"
#include "engine/egress/fired_messages.h"
#include "tools/daemon_tls.h"

namespace se {

FollowerOptions follower_options(const Settings& settings, std::string name) {
    const Settings::Egress& egress = settings.egress;
    return {.name = std::move(name),
            .in_flight = egress.in_flight,
            .in_flight_bytes = egress.in_flight_bytes,
            .attempts = egress.attempts,
            .dead_letters = egress.dead_letters,
            .backoff = {.first = egress.backoff_first, .max = egress.backoff_max},
            .breaker = {.failures = egress.breaker_failures,
                        .open = egress.breaker_open,
                        .trials = egress.breaker_trials}};
}

Status check_egress(const Settings& settings) {
    const Settings::Egress& egress = settings.egress;
    if (egress.file.ends_with('/'))
        return Error{Errc::malformed, "egress.file must name a file, not a folder"};
    if (!egress.webhook_url.empty()) {
        if (const Status good = HttpWebhook::check_url(egress.webhook_url); !good)
            return Error{Errc::malformed, "egress.webhook_url: " + good.error().text};
    }
    const bool visible =
        std::ranges::all_of(egress.webhook_token, [](char c) { return c > ' ' && c <= '~'; });
    if (!visible)
        return Error{Errc::malformed, "egress.webhook_token must be visible ASCII without blanks"};
    return Ok{};
}

void add_egress(DaemonFollowers& followers, const Settings& settings, FileSystem& files,
                const Clock& clock) {
    const Settings::Egress& egress = settings.egress;
    if (!egress.file.empty())
        followers.add(follower_options(settings, "egress-file"), fired_messages,
                      std::make_unique<FileSink>(files, egress.file));
    if (!egress.webhook_url.empty())
        followers.add(
            follower_options(settings, "egress-webhook"), fired_messages,
            std::make_unique<HttpWebhook>(followers.loop(), clock,
                                          HttpWebhook::Options{.url = egress.webhook_url,
                                                               .token = egress.webhook_token,
                                                               .timeout = egress.webhook_timeout,
                                                               .tls = webhook_tls(settings)},
                                          followers.waker()));
}

}  // namespace se
