#include "tools/daemon_mcp.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <iostream>

#include "engine/adapters/posix_clock.h"
#include "engine/adapters/posix_kept_files.h"
#include "engine/adapters/posix_log.h"
#include "engine/adapters/posix_random.h"
#include "mcp/reader_door.h"
#include "mcp/stdio.h"
#include "mcp/tools/state_registry.h"
#include "projection/stamp.h"
#include "tools/daemon_mcp_decider.h"
#include "tools/daemon_mcp_output.h"
#include "tools/daemon_surroundings.h"

namespace se {
namespace {

using namespace std::chrono_literals;

constexpr auto kLookForChanges = 100ms;  // while somebody has subscribed
constexpr auto kFinishWait = 10s;        // for what is under way when the host has closed our input
constexpr std::size_t kReadBytes = 64u << 10;

constexpr const char* kMcpWhat =
    "state-engine mcp: the state for a language model's host, as an MCP server over standard input "
    "and output.";

constexpr const char* kMcpTeach = R"(How it finds the state:
  It reads the store's files directly, beside whoever writes them, and never holds the store to read.
  To write it asks the daemon that runs on the store (<data>/engine.sock). When none runs, it opens the
  store itself for as long as there is something to write.

In a host's configuration (Claude Desktop, Cursor, VS Code and others use this form):
  {
    "mcpServers": {
      "state": {
        "command": "state-engine",
        "args": ["mcp", "--data", "/var/lib/state-engine"]
      }
    }
  }

Hosts that speak HTTP need no process at all: http://127.0.0.1:3000/mcp of a running daemon.

By hand:
  printf '%s\n' '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25",
    "capabilities":{},"clientInfo":{"name":"me","version":"1"}}}' | tr -d '\n' | state-engine mcp

Standard output carries protocol messages only; what there is to say besides goes to standard error, one
JSON object a line. It ends when its input ends, and with SIGTERM.

Exit codes: 0 the input ended or it was told to stop, 1 error, 64 usage.
)";

struct Options {
    std::string data = "./data";
    std::string profile = "state";
    std::string log_level = "warn";
    std::uint64_t wait_ms = 10'000;
};

/// The only signals that a handler can send: a word to the loop.
int g_wake = -1;
int g_nothing = -1;  // /dev/null
volatile std::sig_atomic_t g_stop = 0;

void ring(int descriptor) {
    const std::uint64_t one = 1;
    const ssize_t written = ::write(descriptor, &one, sizeof one);
    static_cast<void>(written);  // full: it rings already
}

void on_signal(int) {
    const int saved = errno;
    g_stop = 1;
    ring(g_wake);
    // Who waits in read() is interrupted; who is just about to finds the end of the input.
    ::dup2(g_nothing, STDIN_FILENO);
    errno = saved;
}

void stop_on(int signal) {
    struct sigaction action {};
    action.sa_handler = on_signal;  // and no SA_RESTART
    ::sigemptyset(&action.sa_mask);
    ::sigaction(signal, &action, nullptr);
}

/// The process: one thread that waits for the host, the daemon and the disk.
class StdioProcess {
public:
    StdioProcess(const Options& options, const Settings& settings, int wake)
        : files_(clock_, often_looked_at({settings.data})),
          log_(clock_, {.service = settings.service_name,
                        .severity_min = severity_from_text(options.log_level).value_or(Severity::warning)}),
          wake_(wake),
          decider_({disk_, clock_, random_, log_}, settings, std::chrono::milliseconds(options.wait_ms),
                   [wake] { ring(wake); }),
          state_({.files = files_,
                  .paths = {settings.data},
                  .cache_files = files_,
                  .cache_directory = StorePaths{settings.data}.projection()},
                 StateReader::Options{}, decider_),
          offers_(state_, {.version = SE_VERSION,
                           .profile = mcp::profile_from_text(options.profile).value_or(mcp::Profile::state)}),
          server_(offers_.registry(), clock_, random_),
          door_(server_, host(), [this] { offers_.registry().announce.resync(); }) {
        decider_.on_store = [this] { state_.close(); };
        decider_.on_policy = [this] { offers_.policy_changed(); };
    }

    int run() {
        while (!over()) {
            const auto wait = work();
            if (over()) break;
            if (!wait_for(wait)) {
                decider_.close();
                return 1;
            }
        }
        decider_.close();
        write_out();
        return 0;
    }

private:
    static Caller host() {
        const std::string principal = local_principal();
        return {.principal = principal,
                .actor = principal,
                .door = "mcp",
                .rights = Principal::with_all_rights(principal)};
    }

    static std::vector<std::string> often_looked_at(const StorePaths& paths) {
        return {paths.head(), stamp_path(paths)};  // HEAD's lock, too
    }

    bool over() {
        if (g_stop != 0 || broken_) return true;
        if (!input_ended_) return false;
        return (door_.idle() && decider_.idle()) || clock_.monotonic() >= finish_until_;
    }

    /// Does what can be done. How long it may rest then.
    std::chrono::nanoseconds work() {
        std::chrono::nanoseconds rest = std::min(decider_.turn(), server_.tick());
        const auto now = clock_.monotonic();
        if (state_.followed()) {
            if (now >= look_due_) {
                state_.look();
                look_due_ = now + kLookForChanges;
            }
            rest = std::min(rest, look_due_ - now);
        }
        state_.release();
        write_out();
        if (input_ended_) rest = std::min(rest, finish_until_ - now);
        return std::max(rest, 0ns);
    }

    bool wait_for(std::chrono::nanoseconds rest) {
        const bool reads = !input_ended_ && door_.wants_input();
        // Nothing is under way and nothing is due: only the host can say what comes next.
        if (reads && door_.idle() && decider_.at_rest() && !state_.followed()) {
            read_in();
            return true;
        }
        std::array<pollfd, 4> waits{{
            {.fd = wake_, .events = POLLIN, .revents = 0},
            {.fd = decider_.descriptor(), .events = POLLIN, .revents = 0},
            {.fd = reads ? STDIN_FILENO : -1, .events = POLLIN, .revents = 0},
            {.fd = door_.output().empty() ? -1 : STDOUT_FILENO, .events = POLLOUT, .revents = 0},
        }};
        const auto milliseconds = std::chrono::ceil<std::chrono::milliseconds>(rest);
        const int ready = ::poll(waits.data(), waits.size(),
                                 static_cast<int>(std::min<std::int64_t>(milliseconds.count(), 60'000)));
        if (ready < 0 && errno != EINTR) {
            log_.write({Severity::error, "state-engine.mcp.poll_error", {}});
            return false;
        }
        if (ready <= 0) return true;
        if (waits[0].revents != 0) {
            std::uint64_t rings = 0;
            const ssize_t got = ::read(wake_, &rings, sizeof rings);
            static_cast<void>(got);
        }
        if (waits[2].revents != 0) read_in();
        return true;
    }

    void read_in() {
        const ssize_t got = ::read(STDIN_FILENO, buffer_.data(), buffer_.size());
        if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
        if (got > 0) return door_.feed({buffer_.data(), static_cast<std::size_t>(got)});
        input_ended_ = true;
        finish_until_ = clock_.monotonic() + kFinishWait;
        door_.end_of_input();
    }

    void write_out() {
        while (!door_.output().empty()) {
            const auto taken = output_.write(door_.output());
            if (!taken) {
                broken_ = true;  // nobody reads any more
                return;
            }
            if (*taken == 0) return;
            door_.took(*taken);
        }
    }

    PosixClock clock_;
    PosixFileSystem disk_;  // for any thread, as an engine needs it
    KeptFiles files_;       // for ours
    PosixRandom random_;
    JsonLog log_;
    const int wake_;
    HostOutput output_{STDOUT_FILENO};
    StoreDecider decider_;
    mcp::ReaderDoor state_;
    mcp::StateRegistry offers_;
    mcp::Server server_;
    mcp::StdioDoor door_;
    std::vector<char> buffer_ = std::vector<char>(kReadBytes);
    bool input_ended_ = false;
    bool broken_ = false;
    std::chrono::nanoseconds finish_until_{0};
    std::chrono::nanoseconds look_due_{0};
};

}  // namespace

int run_mcp(int count, char** arguments) {
    Options options;
    options.data = environment("STATE_ENGINE_DATA").value_or(options.data);
    CLI::App app(kMcpWhat, "state-engine mcp");
    app.footer(kMcpTeach);
    app.add_option("--data", options.data, "The store's folder (STATE_ENGINE_DATA); made when absent");
    app.add_option("--profile", options.profile, "state: the tools of the state. full: list_prefixes too")
        ->check(CLI::IsMember({"state", "full"}));
    app.add_option("--wait-ms", options.wait_ms,
                   "How long a proposal waits for the decision of whoever holds the store")
        ->check(CLI::Range(0, 600'000));
    app.add_option("--log-level", options.log_level, "debug, info, warn or error; on standard error")
        ->check(CLI::IsMember({"debug", "info", "warn", "error"}));
    try {
        app.parse(count, arguments);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 64;
    }
    Config config;
    if (const auto applied = apply_environment(&config, environment); !applied) {
        std::cerr << "state-engine mcp: " << applied.error().text << '\n';
        return 1;
    }
    config.settings.data = options.data;
    leave_to_last_run(&config.settings, environment);  // it is told of no configuration

    g_wake = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    g_nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (g_wake < 0 || g_nothing < 0) {
        std::cerr << "state-engine mcp: no eventfd, or no /dev/null\n";
        return 1;
    }
    std::signal(SIGPIPE, SIG_IGN);
    std::signal(SIGXFSZ, SIG_IGN);
    stop_on(SIGTERM);
    stop_on(SIGINT);
    return StdioProcess(options, config.settings, g_wake).run();
}

}  // namespace se
