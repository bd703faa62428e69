#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "tests/daemon/daemon_process.h"

namespace se::test {

/// Many pipelined clients of one store over any number of its daemons' lives, half of them over TCP
/// and half over the Unix socket. They remember what was acknowledged, and send again, under the
/// same ids, what was not.
class Storm {
public:
    explicit Storm(int clients);

    /// Begins to write to a daemon that serves; each client goes on until its connection breaks.
    void begin(const DaemonProcess& daemon);
    int answers() const { return answers_; }  ///< since begin()
    /// Waits for all clients: the daemon is dead, or will be. Empty, or what a client was told that
    /// no client may be told.
    std::string end();

    /// Sends once more, one by one, whatever is still open. Empty, or what is wrong.
    std::string settle(const DaemonProcess& daemon);
    std::size_t acknowledged() const;

    /// Holds the journal against all that was acknowledged: seqs dense (J1), epochs never falling,
    /// versions up by one (E3), no id twice (E2), nothing acknowledged lost or changed (J2). Empty,
    /// or what is wrong.
    std::string check(const std::string& data) const;
    /// The state served is the last version of each key in the journal. Empty, or what is wrong.
    static std::string check_state(const DaemonProcess& daemon);

private:
    struct Acknowledged {
        std::int64_t seq, epoch, version;
        std::string key;
        bool operator==(const Acknowledged&) const = default;
    };
    struct Client {
        int number = 0;
        int next = 0;                         ///< of the id that was never sent
        std::vector<std::string> unanswered;  ///< sent, and the connection broke
        std::map<std::string, Acknowledged> acknowledged;
        std::string trouble;

        void write_until_it_breaks(HttpClient::Address address, std::atomic<int>& answers);
        bool take(const std::string& id, const HttpAnswer& answer);
    };

    HttpClient::Address address_of(const DaemonProcess& daemon, const Client& client) const;

    std::vector<Client> clients_;
    std::vector<std::thread> threads_;
    std::atomic<int> answers_ = 0;
};

}  // namespace se::test
