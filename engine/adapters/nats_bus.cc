#include "engine/adapters/nats_bus.h"

#include <nats/nats.h>
#include <unistd.h>

#include <atomic>
#include <optional>
#include <unordered_map>
#include <utility>

#include "engine/adapters/nats_line.h"
#include "engine/adapters/nats_wire.h"
#include "journal/base/assert.h"

namespace se {
namespace {

constexpr std::string_view kMessageId = "Nats-Msg-Id";
constexpr std::string_view kAnswers = "a.";  // below our inbox
constexpr std::string_view kPulls = "p.";
constexpr std::string_view kPullLeft = "nats-pending-messages";  // since nats-server 2.9
constexpr std::string_view kNoResponders = "503";

/// Where answers come to: nobody else's, whatever process or connection.
std::string make_inbox(const Clock& clock, std::uint64_t line) {
    static std::atomic<std::uint64_t> made = 0;
    return "_INBOX.se." + std::to_string(::getpid()) + "-" +
           std::to_string(clock.wall().time_since_epoch().count()) + "-" + std::to_string(++made) +
           "-" + std::to_string(line) + ".";
}

}  // namespace

struct NatsBus::State {
    using Command = NatsLine::Command;
    using Event = NatsLine::Event;
    /// An answer's payload, or why there is none.
    using Answered = std::function<void(Result<std::string>)>;
    struct Pending {
        Answered done;
        std::chrono::nanoseconds until;
        std::string
            none;  ///< what it means that nobody takes this subject; empty: no JetStream there
    };

    State(Options the_options, Clock& the_clock, std::function<void()> wake)
        : options(std::move(the_options)), clock(the_clock), line(options, std::move(wake)) {}

    void request(std::string subject, std::string payload, Answered done) {
        send({.subject = std::move(subject), .payload = std::move(payload)}, std::move(done), "");
    }

    void send(Command&& command, Answered done, std::string none) {
        const std::uint64_t token = ++last_token;
        pending.emplace(
            token, Pending{std::move(done), clock.monotonic() + options.timeout, std::move(none)});
        if (!connected) return fail(token, Errc::unavailable, "not connected");
        command.line = current;
        command.reply = inbox + std::string(kAnswers) + std::to_string(token);
        command.token = token;
        if (!line.put(std::move(command)))
            fail(token, Errc::unavailable, "too much waits to be sent");
    }

    /// Told at the next poll().
    void fail(std::uint64_t token, Errc code, std::string text) {
        failed.push_back({token, Error{code, std::move(text)}});
    }

    void finish(std::uint64_t token, Result<std::string> answer) {
        const auto found = pending.find(token);
        if (found == pending.end()) return;  // given up on
        const Answered done = std::move(found->second.done);
        pending.erase(found);
        done(std::move(answer));
    }

    void answer_to(const std::string& receipt, std::string payload) {
        if (!connected) return;
        line.put({.line = current, .subject = receipt, .payload = std::move(payload)});
    }

    void take(Event& event) {
        if (event.line != current) return;
        switch (event.what) {
            case Event::What::connected:
                return became_connected();
            case Event::What::lost:
                return lost(event.error);
            case Event::What::not_sent:
                return finish(
                    event.token,
                    Error{event.too_large ? Errc::too_large : Errc::unavailable, event.error});
            case Event::What::received:
                return received(event);
        }
    }

    void became_connected() {
        connecting = false;
        connected = true;
        inbox = make_inbox(clock, current);
        line.put({.what = Command::What::subscribe, .line = current, .subject = inbox + ">"});
        listener->bus_connected();
    }

    void lost(const std::string& why) {
        const bool had = std::exchange(connected, false);
        connecting = false;
        if (had) line.put({.what = Command::What::disconnect, .line = current});
        ++current;
        give_up_all(why);
        listener->bus_lost(why);
    }

    void give_up_all(const std::string& why) {
        for (auto& [token, waiting] : std::exchange(pending, {}))
            waiting.done(Error{Errc::unavailable, why});
    }

    void received(Event& event) {
        const std::string_view subject = event.subject;
        if (auto delivery = js_delivery(event.reply)) {
            return listener->bus_delivered({.subject = std::move(event.subject),
                                            .headers = std::move(event.headers),
                                            .payload = std::move(event.payload),
                                            .stream = std::move(delivery->stream),
                                            .sequence = delivery->sequence,
                                            .time = delivery->time,
                                            .delivery = delivery->delivery,
                                            .deliveries = delivery->deliveries,
                                            .behind = delivery->behind,
                                            .receipt = std::move(event.reply)});
        }
        if (!subject.starts_with(inbox)) return;
        const std::string_view rest = subject.substr(inbox.size());
        if (rest.starts_with(kPulls)) {
            // Of a pull only its end comes under its own name.
            const auto asked = number_in(rest.substr(rest.rfind('.') + 1));
            const auto left = number_in(bus_header(event.headers, kPullLeft));
            return listener->bus_pull_ended(left.value_or(asked.value_or(0)));
        }
        const auto which =
            number_in(rest.substr(std::min<std::size_t>(rest.size(), kAnswers.size())));
        if (!which || !rest.starts_with(kAnswers)) return;
        if (event.status != kNoResponders) return finish(*which, std::move(event.payload));
        const auto found = pending.find(*which);
        if (found == pending.end()) return;
        const std::string none = found->second.none;
        finish(*which, none.empty() ? Error{Errc::unavailable, "the server has no JetStream"}
                                    : Error{Errc::not_found, none});
    }

    void poll() {
        for (Event& event : line.take()) take(event);
        for (auto& [token, error] : std::exchange(failed, {})) finish(token, std::move(error));
        const auto now = clock.monotonic();
        if (now < looked + options.timeout / 10) return;
        looked = now;
        std::vector<std::uint64_t> late;
        for (const auto& [token, waiting] : pending)
            if (waiting.until <= now) late.push_back(token);
        for (const std::uint64_t token : late)
            finish(token, Error{Errc::unavailable, "no answer came in time"});
    }

    const Options options;
    Clock& clock;
    Listener* listener = nullptr;
    bool connected = false, connecting = false;
    std::uint64_t current = 0;  ///< the line that counts
    std::string inbox;
    std::uint64_t last_token = 0, last_pull = 0;
    std::unordered_map<std::uint64_t, Pending> pending;
    std::vector<std::pair<std::uint64_t, Error>> failed;
    std::chrono::nanoseconds looked{0};
    NatsLine line;  // last: its thread ends first
};

NatsBus::NatsBus(Options options, Clock& clock, std::function<void()> wake)
    : state_(std::make_unique<State>(std::move(options), clock, std::move(wake))) {}
NatsBus::~NatsBus() = default;

void NatsBus::close_library() {
    nats_Close();
}

void NatsBus::listen(Listener* listener) {
    state_->listener = listener;
}

void NatsBus::connect() {
    State& s = *state_;
    SE_ASSERT(!s.connected && !s.connecting);
    s.connecting = true;
    s.line.put({.what = State::Command::What::connect, .line = ++s.current});
}

void NatsBus::disconnect() {
    State& s = *state_;
    s.connected = s.connecting = false;
    s.line.put({.what = State::Command::What::disconnect, .line = s.current});
    ++s.current;
    for (const auto& [token, waiting] : s.pending) s.fail(token, Errc::unavailable, "disconnected");
}

bool NatsBus::connected() const {
    return state_->connected;
}
void NatsBus::poll() {
    state_->poll();
}

void NatsBus::find_stream(const std::string& name, Done<BusStream> done) {
    state_->request(js_stream_info_subject(name), "",
                    [done = std::move(done)](Result<std::string> answer) {
                        done(answer ? js_stream(*answer) : std::move(answer).error());
                    });
}

void NatsBus::find_stream_of(const std::string& subject, Done<std::string> done) {
    state_->request(std::string(kJsStreamNamesSubject), js_stream_names_request(subject),
                    [done = std::move(done)](Result<std::string> answer) {
                        done(answer ? js_stream_name(*answer) : std::move(answer).error());
                    });
}

void NatsBus::make_stream(const std::string& name, std::vector<std::string> subjects,
                          Done<BusStream> done) {
    state_->request(js_stream_create_subject(name), js_stream_config(name, subjects),
                    [done = std::move(done)](Result<std::string> answer) {
                        done(answer ? js_stream(*answer) : std::move(answer).error());
                    });
}

void NatsBus::find_consumer(const std::string& stream, const std::string& durable,
                            Done<BusConsumer> done) {
    state_->request(js_consumer_info_subject(stream, durable), "",
                    [done = std::move(done)](Result<std::string> answer) {
                        done(answer ? js_consumer(*answer) : std::move(answer).error());
                    });
}

void NatsBus::make_consumer(BusConsumerSpec spec, Done<BusConsumer> done) {
    state_->request(js_consumer_create_subject(spec.stream, spec.durable),
                    js_consumer_request(spec),
                    [done = std::move(done)](Result<std::string> answer) {
                        done(answer ? js_consumer(*answer) : std::move(answer).error());
                    });
}

void NatsBus::drop_consumer(const std::string& stream, const std::string& durable, Done<Ok> done) {
    state_->request(js_consumer_delete_subject(stream, durable), "",
                    [done = std::move(done)](Result<std::string> answer) {
                        done(answer ? js_success(*answer) : std::move(answer).error());
                    });
}

void NatsBus::publish(BusOutgoing message, Done<BusReceived> done) {
    std::string none = "no stream takes " + message.subject;
    State::Command command{.subject = std::move(message.subject),
                           .payload = std::move(message.payload),
                           .headers = std::move(message.headers)};
    if (!message.id.empty()) command.headers.emplace_back(kMessageId, std::move(message.id));
    state_->send(
        std::move(command),
        [done = std::move(done)](Result<std::string> answer) {
            done(answer ? js_received(*answer) : std::move(answer).error());
        },
        std::move(none));
}

void NatsBus::pull(const std::string& stream, const std::string& durable, std::uint64_t count) {
    State& s = *state_;
    s.line.put({.line = s.current,
                .subject = js_consumer_next_subject(stream, durable),
                .reply = s.inbox + std::string(kPulls) + std::to_string(++s.last_pull) + "." +
                         std::to_string(count),
                .payload = js_next_request(count, s.options.pull_expires)});
}

std::chrono::nanoseconds NatsBus::pull_lasts() const {
    return state_->options.pull_expires;
}

void NatsBus::bind(const BusConsumer& consumer) {
    State& s = *state_;
    s.line.put({.what = State::Command::What::subscribe,
                .line = s.current,
                .subject = consumer.deliver_subject,
                .group = consumer.deliver_group});
}

void NatsBus::ack(const std::string& receipt) {
    state_->answer_to(receipt, "+ACK");
}
void NatsBus::nak(const std::string& receipt, std::chrono::nanoseconds delay) {
    state_->answer_to(receipt, js_nak(delay));
}
void NatsBus::in_progress(const std::string& receipt) {
    state_->answer_to(receipt, "+WPI");
}
void NatsBus::term(const std::string& receipt) {
    state_->answer_to(receipt, "+TERM");
}

}  // namespace se
