#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/adapters/child_process.h"
#include "tests/adapters/temporary_directory.h"

namespace se::test {

/// A real nats-server with JetStream on a free loopback port, with its files in a folder of its
/// own. Stopped, by its process id, with this object or with the test.
class NatsServer {
public:
    static bool is_there();  ///< whether the program is on this machine
    explicit NatsServer(std::vector<std::string> arguments = {});

    /// Starts it, the second time and after that on the same port and files. Returns once it
    /// answers; ends this program, with what it said, when it does not.
    void start();
    void stop() { process_.end(SIGTERM); }       ///< and waits
    void kill_hard() { process_.end(SIGKILL); }  ///< and waits
    void signal(int number) const { process_.signal(number); }
    std::uint16_t port() const { return port_; }
    std::string url() const { return "nats://127.0.0.1:" + std::to_string(port_); }
    const std::string& folder() const { return folder_.path(); }

private:
    const std::vector<std::string> arguments_;
    TemporaryDirectory folder_;
    std::uint16_t port_ = 0;
    ChildProcess process_;
};

}  // namespace se::test
