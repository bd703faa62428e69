#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace se {

using Words = std::vector<std::string>;

struct Ran {
    int exit = -1;  ///< -1: it was killed by a signal
    std::string out, err;
};

/// Runs a program to its end. `input` is its stdin. STATE_ENGINE_* and STATECTL_* of our own environment
/// are not passed on.
Ran run(const Words& words, const std::string& input = {});
std::string program(const std::string& name);  ///< of this build

/// A member of a JSON object, as text; "absent" when there is none.
std::string member(std::string_view json, std::string_view name);

/// statectl over one data folder.
struct Tool {
    std::string data;
    Words flags = {};

    Ran operator()(Words words, const std::string& input = {}) const;
    /// The same; needs exit code 0. Its stdout.
    std::string must(Words words, const std::string& input = {}) const;
    Words command(Words words) const;
};

/// A program that runs beside the test; killed when this goes.
class Running {
public:
    /// Its stdout goes to the file `output`, if given.
    explicit Running(const Words& words, const std::string& output = {});
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;
    ~Running();

    void signal(int number) const;
    int wait();  ///< its exit code, as in Ran
    pid_t pid() const { return pid_; }

private:
    pid_t pid_ = -1;
};

/// state-engine on a data folder, on any free port, up and answering `status` at its socket (503: over damage).
class Daemon {
public:
    explicit Daemon(const std::string& data, Words flags = {}, int status = 200);
    void stop();  ///< SIGTERM; needs a clean end
    void kill();
    pid_t pid() const { return process_->pid(); }
    std::string url() const;  ///< over TCP, as its log says

private:
    std::string data_;
    std::unique_ptr<Running> process_;
};

std::string slurp(const std::string& path);
void spill(const std::string& path, const std::string& text);
std::vector<std::string> lines_of(const std::string& text);
/// How many lines hold `text`.
std::size_t count_lines(const std::string& in, const std::string& text);

}  // namespace se
