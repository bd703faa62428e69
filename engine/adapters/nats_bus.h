#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "engine/intake/message_bus.h"
#include "journal/base/clock.h"

namespace se {

/// A JetStream server. A thread of its own makes the calls that may wait for the network; what
/// comes in arrives on threads of the library: both only leave it for poll().
class NatsBus final : public MessageBus {
public:
    struct Options {
        std::string
            url;  ///< nats:// or tls://, several with commas; may hold a user and a password
        std::string name;         ///< of this client, for the server's operators
        std::string token;        ///< instead of a user in the url
        std::string credentials;  ///< file with a JWT and a seed
        std::string
            tls_ca;  ///< files; TLS is asked for when one of them is named or the url says tls://
        std::string tls_certificate, tls_key;
        std::chrono::milliseconds timeout{5'000};        ///< of a connect, and of an answer
        std::chrono::milliseconds pull_expires{20'000};  ///< how long the server keeps a pull()
        std::chrono::milliseconds ping{5'000};  ///< two unanswered ones are a lost connection
        std::uint64_t queue_bytes =
            64u << 20;  ///< waiting to be sent; more: unavailable, and acks are dropped
    };
    /// `wake` is called from other threads when poll() has something to do.
    NatsBus(Options options, Clock& clock, std::function<void()> wake);
    ~NatsBus() override;
    NatsBus(const NatsBus&) = delete;
    NatsBus& operator=(const NatsBus&) = delete;
    /// What the library holds of its own; at the end of the program.
    static void close_library();

    void listen(Listener* listener) override;
    void connect() override;
    void disconnect() override;
    bool connected() const override;
    void poll() override;
    void find_stream(const std::string& name, Done<BusStream> done) override;
    void find_stream_of(const std::string& subject, Done<std::string> done) override;
    void make_stream(const std::string& name, std::vector<std::string> subjects,
                     Done<BusStream> done) override;
    void find_consumer(const std::string& stream, const std::string& durable,
                       Done<BusConsumer> done) override;
    void make_consumer(BusConsumerSpec spec, Done<BusConsumer> done) override;
    void drop_consumer(const std::string& stream, const std::string& durable,
                       Done<Ok> done) override;
    void publish(BusOutgoing message, Done<BusReceived> done) override;
    void pull(const std::string& stream, const std::string& durable, std::uint64_t count) override;
    std::chrono::nanoseconds pull_lasts() const override;
    void bind(const BusConsumer& consumer) override;
    void ack(const std::string& receipt) override;
    void nak(const std::string& receipt, std::chrono::nanoseconds delay) override;
    void in_progress(const std::string& receipt) override;
    void term(const std::string& receipt) override;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace se
