#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/adapters/http_client.h"
#include "journal/base/json.h"
#include "tests/adapters/child_process.h"

namespace se::test {

/// The real program on a folder, as its own process. Killed, if it still runs, with this object or with the test.
class DaemonProcess {
public:
    struct Options {
        std::string data;
        std::vector<std::string> arguments = {};  ///< beside --data and --port 0
        std::vector<std::string> environment = {};  ///< NAME=value; nothing else is passed on
        std::string policy = "allowedKeys: [\"*\"]\n";  ///< written to <data>.yaml; empty: no --config
    };

    explicit DaemonProcess(Options options);

    /// Starts it and returns once it serves.
    void start();
    /// The same, or false when it is killed before that.
    bool start_unless_killed();
    /// Starts it and returns its exit code, which must come by itself.
    int run_to_end();
    void signal(int number) const;
    /// Waits for the exit code; -signal when it was killed.
    int wait();
    int stop();  ///< SIGTERM, then wait()
    void kill_hard() { process_.end(SIGKILL); }
    /// As `ulimit -f` for the running process, in bytes.
    void limit_file_size(std::uint64_t bytes) const;
    bool running() const { return process_.running(); }
    pid_t process() const { return process_.id(); }

    std::uint16_t port() const { return port_; }
    const std::string& data() const { return options_.data; }
    void set_environment(std::vector<std::string> environment) {
        options_.environment = std::move(environment);
    }
    std::string config_path() const { return options_.data + ".yaml"; }
    std::string log() const;  ///< all it has written to stderr
    /// Waits until the log has `text`; false when it does not come.
    bool log_says(std::string_view text) const;

    HttpClient tcp() const;
    HttpClient socket() const;

private:
    void spawn();

    Options options_;
    std::string log_path_;
    std::uint16_t port_ = 0;
    ChildProcess process_;
};

void write_text(const std::string& path, std::string_view text);
Json json_of(std::string_view text);

/// {"op":"set",…} with an id when there is one.
std::string set_text(const std::string& key, const std::string& value, const std::string& id = "");

/// Every record of a journal as its line says it; the store may be in use.
std::vector<Json> records_of(const std::string& data);
/// The same, where a journal that cannot be read is an answer too.
Result<std::vector<Json>> read_records(const std::string& data);

}  // namespace se::test
