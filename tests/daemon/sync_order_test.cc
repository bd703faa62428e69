// What the kernel was asked for, and in which order: no answer before the sync that covers it.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <thread>

#include "tests/adapters/temporary_directory.h"
#include "tests/daemon/daemon_process.h"

namespace se::test {
namespace {

using namespace std::chrono_literals;

constexpr int kAnswers = 40;

std::string text_in(const std::string& path) {
    std::ifstream in(path);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
}

/// strace on a running daemon, every call with its time of beginning and end in one order.
class Trace {
public:
    Trace(pid_t daemon, std::string folder)
        : path_(folder + "/trace"), said_(folder + "/strace.log") {
        const std::string pid = std::to_string(daemon);
        pid_ = ::fork();
        REQUIRE(pid_ >= 0);
        if (pid_ == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            const int said = ::open(said_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
            ::dup2(said, 2);
            ::execlp(
                "strace", "strace", "-f", "-y", "-s", "1000", "-e",
                "trace=write,writev,pwrite64,pwritev,pwritev2,ftruncate,truncate,fallocate,"
                "copy_file_range,sendfile,sync_file_range,msync,fdatasync,fsync,sync,syncfs,rename,"
                "renameat,renameat2,unlink,unlinkat,link,linkat,symlink,symlinkat,mkdir,mkdirat,"
                "sendmsg,sendto",
                "-o", path_.c_str(), "-p", pid.c_str(), nullptr);
            ::_exit(127);
        }
    }
    ~Trace() { stop(); }

    /// Waits until it sees every thread. Empty, or why it cannot.
    std::string why_not() {
        for (;;) {
            const std::string said = text_in(said_);
            if (said.find(" attached") != said.npos) return "";
            int status = 0;
            if (::waitpid(pid_, &status, WNOHANG) == pid_) {
                pid_ = -1;
                return said.empty() ? "no strace" : said.substr(0, said.find('\n'));
            }
            std::this_thread::sleep_for(2ms);
        }
    }
    std::vector<std::string> stop() {
        if (pid_ > 0) {
            ::kill(pid_, SIGINT);
            ::waitpid(pid_, nullptr, 0);
            pid_ = -1;
        }
        std::vector<std::string> lines;
        std::istringstream text(text_in(path_));
        for (std::string line; std::getline(text, line);) lines.push_back(line);
        return lines;
    }

private:
    std::string path_, said_;
    pid_t pid_ = -1;
};

/// The ids of this test that a line names; strace shows quotes with a backslash.
std::set<int> ids_in(const std::string& line) {
    static const std::regex kId(R"re(\\"id\\":\\"traced-(\d+)\\")re");
    std::set<int> ids;
    for (std::sregex_iterator at(line.begin(), line.end(), kId), end; at != end; ++at)
        ids.insert(std::stoi((*at)[1]));
    return ids;
}

/// Follows the trace and says which answers left before a sync that had begun behind their record.
struct Order {
    std::set<int> written, durable, answered, too_early;
    std::map<std::string, std::set<int>> syncing;  // by thread: what the sync that runs covers
    std::set<std::string> calls;                   // on the store's files

    void take(const std::string& line, const std::string& data) {
        const std::string thread = line.substr(0, line.find(' '));
        const std::size_t name_at = line.find_first_not_of(' ', thread.size());
        if (name_at == line.npos) return;
        const bool resumed = line.compare(name_at, 5, "<... ") == 0;
        const std::size_t begin = resumed ? name_at + 5 : name_at;
        const std::string call = line.substr(begin, line.find_first_of("( ", begin) - begin);
        const bool unfinished = line.ends_with("<unfinished ...>");
        if (!resumed && line.find(data) != line.npos) calls.insert(call);
        const bool segment = line.find("/journal/seg-") != line.npos;
        if (call == "pwrite64" && segment) {
            written.merge(ids_in(line));  // it may still run: a sync that begins now is too early…
            if (unfinished) running_ = ids_in(line);
        }
        if (call == "pwrite64" && resumed) running_.clear();
        if (call == "fdatasync" && !resumed && segment) {
            syncing[thread] = written;
            for (const int id : running_) syncing[thread].erase(id);  // …and covers it not
        }
        if (call == "fdatasync" && !unfinished && line.ends_with("= 0") &&
            syncing.contains(thread)) {
            durable.merge(syncing[thread]);
            syncing.erase(thread);
        }
        if ((call == "sendmsg" || call == "sendto") && !resumed &&
            line.find("accepted") != line.npos) {
            for (const int id : ids_in(line)) {
                answered.insert(id);
                if (!durable.contains(id)) too_early.insert(id);
            }
        }
    }

private:
    std::set<int> running_;
};

TEST_CASE("every answer leaves behind a sync that began behind its record's write") {
    TemporaryDirectory folder;
    DaemonProcess daemon({.data = folder.path() + "/data"});
    daemon.start();
    Trace trace(daemon.process(), folder.path());
    if (const std::string why = trace.why_not(); !why.empty()) {
        std::printf("SKIP: order of sync and answer: %s\n", why.c_str());
        return;
    }
    HttpClient tcp = daemon.tcp(), socket = daemon.socket();
    for (int i = 0; i < kAnswers; ++i) {
        HttpClient& client = i % 2 == 0 ? tcp : socket;
        const auto answer =
            client.post("/v1/mutations", set_text("k", "1", "traced-" + std::to_string(i)));
        REQUIRE(answer);
        REQUIRE(answer->status == 200);
    }
    Order order;
    for (const std::string& line : trace.stop()) order.take(line, daemon.data());
    CHECK(order.written.size() == kAnswers);
    CHECK(order.answered.size() == kAnswers);
    CHECK(order.too_early.empty());
    // tests/shim takes back what was not synced: it has to know every call that changes the store.
    for (const std::string& call : order.calls) {
        CAPTURE(call);
        CHECK(std::set<std::string>{"pwrite64", "ftruncate", "fdatasync", "fsync", "rename",
                                    "unlink", "mkdir", "sendmsg"}
                  .contains(call));
    }
    CHECK(daemon.stop() == 0);
}

}  // namespace
}  // namespace se::test
