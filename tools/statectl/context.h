#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>

#include "engine/adapters/posix_clock.h"
#include "engine/adapters/posix_filesystem.h"
#include "engine/adapters/posix_random.h"
#include "engine/engine.h"
#include "journal/base/log.h"
#include "journal/paths.h"
#include "tools/statectl/output.h"

namespace se::statectl {

/// The engine's own trouble, for the person at the terminal: warnings and errors, on stderr.
class TerminalLog final : public Log {
public:
    void write(const LogEvent& event) override;
    bool takes(Severity severity) const override { return severity >= Severity::warning; }
};

/// What every command is handed: where the store is, how to show things, and the real world.
struct Context {
    // Flags that all commands share.
    std::string data = "./data";   ///< --data, STATE_ENGINE_DATA
    std::string url;               ///< --url: over TCP; wins over --data
    std::string token;             ///< --token, STATECTL_TOKEN
    std::string tls_ca;            ///< --tls-ca, else STATECTL_TLS_CA: authorities for https://; empty: the system's
    std::string config;            ///< --config: the policy for an embedded engine
    std::string output;            ///< -o
    std::chrono::milliseconds wait{5000};  ///< --wait: for whoever holds the store

    PosixFileSystem files;
    PosixClock clock;
    PosixRandom random;
    TerminalLog log;

    StorePaths paths() const { return {data}; }
    /// A table on a terminal, else jsonl.
    Form form() const;
    /// A Failure that says where a store was expected, when there is none.
    Outcome<Ok> need_store();
    /// Commands that read files cannot do so over --url.
    Outcome<Ok> need_files(std::string_view command) const;
};

/// Who runs this program; `local:<user>` is the principal of an embedded engine, as it is at the socket.
std::string user_name();
std::string host_name();

/// 500ms, 5s, 10m, 2h, 7d; a plain number counts in `unit`.
Outcome<std::chrono::milliseconds> duration_from_text(std::string_view text,
                                                      std::chrono::milliseconds unit);
/// An RFC 3339 time, or a duration, which means that long ago.
Outcome<Time> time_of_option(std::string_view text, const Clock& clock);

Engine::Writer this_writer();

}  // namespace se::statectl
