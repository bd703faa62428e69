#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "tests/adapters/temporary_directory.h"

namespace se::test {

/// A real nats-server with JetStream on a free loopback port, with its files in a folder of its
/// own. Stopped, by its process id, with this object or with the test.
class NatsServer {
public:
    static bool is_there();  ///< whether the program is on this machine
    explicit NatsServer(std::vector<std::string> arguments = {});
    ~NatsServer();
    NatsServer(const NatsServer&) = delete;
    NatsServer& operator=(const NatsServer&) = delete;

    /// Starts it, the second time and after that on the same port and files. Returns once it
    /// answers.
    void start();
    void stop();       ///< SIGTERM, and waits
    void kill_hard();  ///< SIGKILL, and waits
    void signal(int number) const;
    bool running() const { return pid_ > 0; }
    std::uint16_t port() const { return port_; }
    std::string url() const { return "nats://127.0.0.1:" + std::to_string(port_); }
    const std::string& folder() const { return folder_.path(); }

private:
    void wait_for_end(int signal_number);

    const std::vector<std::string> arguments_;
    TemporaryDirectory folder_;
    pid_t pid_ = -1;
    std::uint16_t port_ = 0;
};

}  // namespace se::test
