#include "engine/adapters/http_webhook.h"

#include <algorithm>
#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <charconv>
#include <deque>
#include <optional>
#include <utility>

#include "engine/adapters/http_client.h"
#include "engine/adapters/http_loop_state.h"
#include "engine/tracing.h"
#include "journal/base/assert.h"

namespace se {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::uint64_t kWebhookAnswerBytesMax = 64u << 10;  ///< a longer one is an outage

std::string target_of(std::string_view url) {
    const std::size_t slash = url.find('/', url.find("://") + 3);
    return slash == std::string_view::npos ? "/" : std::string(url.substr(slash));
}

/// As a header can hold it.
std::string header_safe(std::string_view id) {
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    std::string out;
    for (const char c : id) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte > 0x20 && byte < 0x7F && c != '%') {
            out += c;
            continue;
        }
        out += '%';
        out += kDigits[byte >> 4];
        out += kDigits[byte & 15];
    }
    return out;
}

Delivery::Outcome outcome_of_status(unsigned status) {
    using enum Delivery::Outcome;
    if (status / 100 == 2) return acknowledged;
    if (status / 100 == 4 && status != 408 && status != 429) return refused;
    return outage;
}

}  // namespace

struct HttpWebhook::State : std::enable_shared_from_this<HttpWebhook::State> {
    /// Lives as long as something is under way on it, also when nobody waits for that any more.
    struct Connection {
        explicit Connection(asio::io_context& context) : stream(context) {}
        beast::tcp_stream stream;
        std::optional<asio::ssl::stream<beast::tcp_stream&>> tls;  ///< over it, for https://
        beast::flat_buffer buffer;
        http::request<http::string_body> request;
        std::optional<http::response_parser<http::string_body>> answer;
    };

    State(asio::io_context& the_context, const Clock& the_clock, Options the_options,
          std::function<void()> the_wake)
        : context(the_context),
          clock(the_clock),
          options(std::move(the_options)),
          wake(std::move(the_wake)),
          resolver(context),
          timer(context) {
        auto parsed = HttpClient::address_of_url(options.url);
        SE_ASSERT(parsed);
        address = *std::move(parsed);
        target = target_of(options.url);
    }

    asio::io_context& context;
    const Clock& clock;
    const Options options;
    const std::function<void()> wake;
    HttpClient::Address address;
    std::string target;

    tcp::resolver resolver;
    asio::steady_timer timer;
    std::shared_ptr<Connection> connection;
    std::shared_ptr<const HttpTls> tls;  ///< null: its files are read for the next connection

    std::deque<std::pair<std::uint64_t, Message>> queue;  ///< the first one is under way, if any is
    bool busy = false;
    bool reused = false;  ///< the connection had an answer before: it may have been closed since
    bool shaking_hands = false;
    std::uint64_t attempt = 0;  ///< what belongs to an earlier one is over
    std::vector<Delivery> outcomes;

    /// A continuation that does nothing once its attempt is over.
    template <class Next>
    auto mine(Next next) {
        return [weak = weak_from_this(), at = attempt, held = connection, next](error_code error,
                                                                                auto&&...) {
            const auto self = weak.lock();
            if (self && self->attempt == at) next(*self, error);
        };
    }

    void begin() {
        if (busy || queue.empty()) return;
        busy = true;
        ++attempt;
        timer.expires_after(options.timeout);
        timer.async_wait(mine([](State& self, error_code error) {
            if (!error)
                self.give_up("no answer within " + std::to_string(self.options.timeout.count()) +
                             " ms" + (self.shaking_hands ? " to the start of TLS: it may have none" : ""));
        }));
        shaking_hands = false;
        reused = connection != nullptr;
        reused ? send() : connect();
    }

    void connect() {
        connection = std::make_shared<Connection>(context);
        if (address.https) {
            if (const Status ready = prepare_tls(); !ready) return give_up_later(ready.error().text);
        }
        resolver.async_resolve(
            address.host, std::to_string(address.port),
            [weak = weak_from_this(), at = attempt](error_code error,
                                                    const tcp::resolver::results_type& found) {
                const auto self = weak.lock();
                if (!self || self->attempt != at) return;
                if (error) return self->give_up("its host is not found: " + error.message());
                self->connection->stream.async_connect(
                    found, self->mine([](State& state, error_code failed) {
                        if (failed) return state.give_up("cannot connect: " + failed.message());
                        error_code ignored;
                        state.connection->stream.socket().set_option(tcp::no_delay(true), ignored);
                        state.connection->tls ? state.shake_hands() : state.send();
                    }));
            });
    }

    Status prepare_tls() {
        if (tls == nullptr) {
            SE_TRY(made, HttpTls::make(options.tls));
            tls = std::move(made);
        }
        SE_TRY(session, tls->session(address.host));
        connection->tls.emplace(connection->stream, session.release());
        return Ok{};
    }

    void shake_hands() {
        shaking_hands = true;
        connection->tls->async_handshake(
            asio::ssl::stream_base::client, mine([](State& self, error_code error) {
                if (error) return self.give_up("no TLS with it: " + self.why(error));
                self.shaking_hands = false;
                self.send();
            }));
    }

    /// What an error of a connection means that had no answer yet.
    std::string why(error_code error) const {
        if (!connection->tls) return error.message();
        const bool of_tls = error.category() == asio::error::get_ssl_category();
        const bool hung_up =
            error == asio::ssl::error::stream_truncated || error == asio::error::eof;
        return tls->trouble(*connection->tls->native_handle(),
                            of_tls ? static_cast<unsigned>(error.value()) : 0,
                            hung_up ? "the server hung up" : error.message());
    }

    /// Calls `use` with what HTTP goes over.
    template <class Use>
    void over(Use use) {
        connection->tls ? use(*connection->tls) : use(connection->stream);
    }

    void send() {
        connection->answer.reset();
        const Message& message = queue.front().second;
        auto& request = connection->request;
        request = {http::verb::post, target, 11};
        request.set(http::field::host, address.host_and_port());
        request.set(http::field::user_agent, "state-engine");
        request.set(http::field::content_type, "application/json");
        request.set("Idempotency-Key", header_safe(message.id));
        if (is_traceparent(message.trace)) request.set("traceparent", message.trace);
        if (!options.token.empty())
            request.set(http::field::authorization, "Bearer " + options.token);
        request.body() = message.body;
        request.prepare_payload();
        over([&](auto& stream) {
            http::async_write(stream, request, mine([](State& self, error_code error) {
                                  if (error) return self.lose(error);
                                  self.receive();
                              }));
        });
    }

    void receive() {
        auto& answer = connection->answer;
        answer.emplace();
        answer->body_limit(kWebhookAnswerBytesMax);
        over([&](auto& stream) {
            http::async_read(stream, connection->buffer, *answer,
                             mine([](State& self, error_code error) {
                                 if (error && !self.only_text_is_cut(error)) return self.lose(error);
                                 self.take_answer();
                             }));
        });
    }

    /// Many a server that ends its answer by hanging up does not tell TLS. Of the answer its head is all
    /// that counts, and that is here.
    bool only_text_is_cut(error_code error) const {
        const auto& answer = connection->answer;
        return error == asio::ssl::error::stream_truncated && answer->is_header_done() &&
               answer->need_eof();
    }

    /// A connection that was kept may have ended before the request came: then it never got there,
    /// or its id tells that it did.
    void lose(error_code error) {
        const bool nothing_came = connection->buffer.size() == 0 &&
                                  !(connection->answer && connection->answer->got_some());
        if (!nothing_came) return give_up("the connection broke: " + error.message());
        if (!std::exchange(reused, false)) return give_up("the connection broke: " + why(error));
        drop_connection();
        connect();
    }

    void take_answer() {
        const auto& head = connection->answer->get();
        const unsigned status = head.result_int();
        if (status / 100 == 1 && status != 101) return receive();  // RFC 9110 15.2: the answer is yet to come
        Delivery delivery{.outcome = outcome_of_status(status)};
        if (delivery.outcome != Delivery::Outcome::acknowledged)
            delivery.reason = "it answered " + std::to_string(status);
        if (delivery.outcome == Delivery::Outcome::outage) {
            const auto after = head[http::field::retry_after];
            delivery.retry_after = retry_after_of({after.data(), after.size()}, clock.wall());
        }
        // What stands behind the answer is nobody's: the next one must not be taken for it.
        if (!connection->answer->keep_alive() || connection->buffer.size() != 0) drop_connection();
        finish(std::move(delivery));
    }

    void give_up(std::string reason, bool tried = true) {
        drop_connection();
        tls = nullptr;  // who mends a file need not start us anew
        finish({.outcome = Delivery::Outcome::outage, .reason = std::move(reason), .tried = tried});
    }

    /// Before anything has left us. Not at once: what is handed over in this turn is behind that message,
    /// and would go out before it if the file were there by then (X2).
    void give_up_later(std::string reason) {
        asio::post(context, [then = mine([reason = std::move(reason)](State& self, error_code) {
                                 self.give_up(reason, false);
                             })] { then(error_code()); });
    }

    void drop_connection() {
        if (connection == nullptr) return;
        connection->stream.close();
        connection.reset();
    }

    void finish(Delivery delivery) {
        ++attempt;
        busy = false;
        timer.cancel();
        delivery.ticket = queue.front().first;
        queue.pop_front();
        const bool outage = delivery.outcome == Delivery::Outcome::outage;
        outcomes.push_back(std::move(delivery));
        if (outage) {
            for (const auto& [ticket, message] : std::exchange(queue, {})) {
                outcomes.push_back({.ticket = ticket,
                                    .outcome = Delivery::Outcome::outage,
                                    .reason = outcomes.back().reason,
                                    .tried = false});
            }
        }
        begin();
        wake();
    }
};

Status HttpWebhook::check_url(std::string_view url) {
    auto address = HttpClient::address_of_url(url);
    if (!address) return std::move(address).error();
    const std::string target = target_of(url);
    if (std::ranges::any_of(target, [](char c) { return c <= ' ' || c > '~' || c == '#'; }))
        return Error{Errc::malformed,
                     "a path has no blanks, no # and nothing but ASCII; encode the rest"};
    return Ok{};
}

HttpWebhook::HttpWebhook(HttpLoop& loop, const Clock& clock, Options options,
                         std::function<void()> wake)
    : state_(std::make_shared<State>(loop.state().context, clock, std::move(options),
                                     std::move(wake))) {}

HttpWebhook::~HttpWebhook() {
    ++state_->attempt;
    state_->timer.cancel();
    state_->resolver.cancel();
    state_->drop_connection();
}

void HttpWebhook::deliver(std::uint64_t ticket, const Message& message) {
    state_->queue.emplace_back(ticket, message);
    state_->begin();
}

std::vector<Delivery> HttpWebhook::poll() {
    return std::exchange(state_->outcomes, {});
}

std::chrono::nanoseconds retry_after_of(std::string_view text, Time now) {
    using namespace std::chrono;
    constexpr std::uint64_t kSecondsMax = 1'000'000;
    std::uint64_t count = 0;
    const char* const end = text.data() + text.size();
    if (const auto read = std::from_chars(text.data(), end, count);
        read.ec == std::errc{} && read.ptr == end)
        return seconds(std::min(count, kSecondsMax));
    // Sun, 06 Nov 1994 08:49:37 GMT
    constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    if (text.size() != 29 || !text.ends_with(" GMT")) return {};
    const auto number = [&](std::size_t at, std::size_t digits) {
        int value = -1;
        const auto read = std::from_chars(text.data() + at, text.data() + at + digits, value);
        return read.ec == std::errc{} && read.ptr == text.data() + at + digits ? value : -1;
    };
    const auto month_at = std::ranges::find(kMonths, text.substr(8, 3));
    const int day_number = number(5, 2), year_number = number(12, 4);
    const int h = number(17, 2), m = number(20, 2), s = number(23, 2);
    if (month_at == kMonths.end() || std::min({day_number, year_number, h, m, s}) < 0) return {};
    const year_month_day date{year{year_number},
                              month{static_cast<unsigned>(month_at - kMonths.begin()) + 1},
                              day{static_cast<unsigned>(day_number)}};
    if (!date.ok()) return {};
    const Time then = sys_days{date} + hours{h} + minutes{m} + seconds{s};
    return std::clamp<nanoseconds>(then - now, nanoseconds{}, seconds(kSecondsMax));
}

}  // namespace se
