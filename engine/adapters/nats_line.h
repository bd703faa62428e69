#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "engine/adapters/nats_bus.h"

namespace se {

/// Inside engine/adapters/nats_*: one connection after the other, and the thread that speaks on it.
class NatsLine {
public:
    /// What the thread is asked to do.
    struct Command {
        enum class What : std::uint8_t { connect, send, subscribe, disconnect };
        What what = What::send;
        std::uint64_t line = 0;  ///< the connection that it is meant for
        std::string subject, reply, payload, group;
        BusHeaders headers = {};
        std::uint64_t token = 0;  ///< of who waits for an answer; 0: nobody
    };
    /// What came of it, or came in.
    struct Event {
        enum class What : std::uint8_t { connected, lost, received, not_sent };
        What what = What::received;
        std::uint64_t line = 0;
        std::string subject, reply, payload, error;
        std::string status;  ///< of the server's own messages: 503, 408, …
        BusHeaders headers = {};
        std::uint64_t token = 0;
        bool too_large = false;
    };

    NatsLine(NatsBus::Options options, std::function<void()> wake);
    ~NatsLine();

    /// False: the queue is full, and it was not taken.
    bool put(Command&& command);
    std::vector<Event> take();

    /// Shared with the library's threads, which may outlive us.
    struct Shared {
        std::mutex mutex;
        std::vector<Event> events;
        std::function<void()> wake;  ///< empty: nobody listens any more
        std::uint64_t open = 0;      ///< connections that may still call
        std::condition_variable closed;

        void add(Event&& event);
    };

private:
    struct Connection;
    void run();
    void carry_out(Command& command);
    void connect(std::uint64_t line);
    void send(Command& command);
    void subscribe(const Command& command);
    void close();

    const NatsBus::Options options_;
    const std::shared_ptr<Shared> shared_;
    std::unique_ptr<Connection> connection_;  // only run() touches it

    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Command> commands_;
    std::uint64_t bytes_ = 0;
    bool stopping_ = false;
    std::thread thread_;  // last
};

}  // namespace se
