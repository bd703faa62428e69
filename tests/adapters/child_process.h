#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "journal/base/assert.h"

namespace se {

/// Another program as a child of this one. Killed, by its process id, with this object or with this
/// process.
class ChildProcess {
public:
    struct Options {
        std::vector<std::string> words;  ///< the program's path and its arguments
        /// NAME=value, and nothing else; absent: all that we have.
        std::optional<std::vector<std::string>> environment = {};
        std::string log;              ///< file for what it writes
        bool log_begins_anew = true;  ///< else it is added to
    };

    ChildProcess() = default;
    ~ChildProcess() {
        if (running()) end(SIGKILL);
    }
    ChildProcess(const ChildProcess&) = delete;
    ChildProcess& operator=(const ChildProcess&) = delete;

    /// Needs that none is running. A program that cannot be executed ends with 127.
    void start(Options options) {
        SE_ASSERT(!running());
        const std::vector<char*> words = pointers(options.words);
        std::vector<char*> environment;
        if (options.environment) environment = pointers(*options.environment);
        const int log = ::open(
            options.log.c_str(),
            O_WRONLY | O_CREAT | O_CLOEXEC | (options.log_begins_anew ? O_TRUNC : O_APPEND), 0600);
        SE_ASSERT(log >= 0);
        const pid_t parent = ::getpid();
        id_ = ::fork();
        SE_ASSERT(id_ >= 0);
        if (id_ == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (::getppid() != parent) ::_exit(127);
            ::dup2(log, 1);
            ::dup2(log, 2);
            options.environment ? ::execve(words[0], words.data(), environment.data())
                                : ::execv(words[0], words.data());
            ::_exit(127);
        }
        ::close(log);
    }

    bool running() const { return id_ > 0; }
    pid_t id() const { return id_; }
    void signal(int number) const {
        SE_ASSERT(running());
        ::kill(id_, number);
    }
    /// What waitpid says of it, once it has ended; it is not running then.
    std::optional<int> ended() {
        int status = 0;
        if (!running() || ::waitpid(id_, &status, WNOHANG) != id_) return std::nullopt;
        id_ = -1;
        return status;
    }
    /// Sends it this signal and waits, however long it takes.
    void end(int signal_number) {
        SE_ASSERT(running());
        ::kill(id_, signal_number);
        ::waitpid(id_, nullptr, 0);
        id_ = -1;
    }

private:
    static std::vector<char*> pointers(std::vector<std::string>& words) {
        std::vector<char*> pointers;
        for (std::string& word : words) pointers.push_back(word.data());
        pointers.push_back(nullptr);
        return pointers;
    }

    pid_t id_ = -1;
};

}  // namespace se
