#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/adapters/http_loop.h"
#include "engine/adapters/http_tls.h"
#include "engine/egress/sink.h"
#include "journal/base/clock.h"

namespace se {

/// A peer behind HTTP: each message is a POST with its id as `Idempotency-Key` (what is no visible
/// ASCII and `%` percent-encoded), the mutation's `traceparent`, and the message as
/// application/json. One at a time over one connection that is kept, so that the order holds (X2).
///
///   2xx                       acknowledged
///   408, 429, 5xx, no answer  an outage; `Retry-After` says how long the peer wants to be left alone
///   3xx                       an outage: no redirect is followed
///   other 4xx                 refused
///   TLS fails                 an outage; whoever is not trusted was sent nothing
///
/// All of it runs in `loop`.
class HttpWebhook final : public Sink {
public:
    struct Options {
        std::string url;    ///< http:// or https://host[:port][/path]
        std::string token;  ///< sent as Authorization: Bearer; empty: none
        std::chrono::milliseconds timeout{
            10'000};  ///< of one message, from connecting to its answer
        /// Read for the first connection, and again for the next one after an outage.
        HttpTls::Options tls = {};
    };
    /// Errc::malformed for a url that is none of ours.
    static Status check_url(std::string_view url);

    /// `wake`: poll() has something. Needs a url that check_url() takes.
    HttpWebhook(HttpLoop& loop, const Clock& clock, Options options, std::function<void()> wake);
    ~HttpWebhook() override;
    HttpWebhook(const HttpWebhook&) = delete;
    HttpWebhook& operator=(const HttpWebhook&) = delete;

    void deliver(std::uint64_t ticket, const Message& message) override;
    std::vector<Delivery> poll() override;

private:
    struct State;
    std::shared_ptr<State> state_;  // what is under way holds it for as long as it takes to notice
};

/// How long `text`, a Retry-After, asks to wait: seconds, or a date of HTTP. Zero when it says
/// nothing.
std::chrono::nanoseconds retry_after_of(std::string_view text, Time now);

}  // namespace se
