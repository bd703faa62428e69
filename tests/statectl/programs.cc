#include "tests/statectl/programs.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <fstream>
#include <iterator>
#include <thread>

#include "engine/adapters/http_client.h"
#include "tests/json_of.h"
#include "tests/places.h"

namespace se {
namespace {

constexpr std::chrono::seconds kStartPatience{60};

std::vector<std::string> clean_environment() {
    std::vector<std::string> kept;
    for (char** variable = ::environ; *variable != nullptr; ++variable) {
        const std::string text = *variable;
        if (!text.starts_with("STATE_ENGINE_") && !text.starts_with("STATECTL_")) kept.push_back(text);
    }
    return kept;
}

/// In the child. Never returns.
[[noreturn]] void become(const Words& words) {
    std::vector<char*> arguments, variables;
    for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    const std::vector<std::string> environment = clean_environment();
    for (const std::string& variable : environment)
        variables.push_back(const_cast<char*>(variable.c_str()));
    variables.push_back(nullptr);
    ::execvpe(arguments[0], arguments.data(), variables.data());
    ::_exit(127);
}

int exit_of(pid_t pid) {
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

struct Pipe {
    int read = -1, write = -1;
    Pipe() {
        int ends[2];
        REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
        read = ends[0];
        write = ends[1];
    }
    void close(int& end) {
        if (end >= 0) ::close(end);
        end = -1;
    }
    ~Pipe() {
        close(read);
        close(write);
    }
};

}  // namespace

Ran run(const Words& words, const std::string& input) {
    Pipe in, out, err;
    const pid_t pid = ::fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
        ::dup2(in.read, 0);
        ::dup2(out.write, 1);
        ::dup2(err.write, 2);
        become(words);
    }
    in.close(in.read);
    out.close(out.write);
    err.close(err.write);
    ::signal(SIGPIPE, SIG_IGN);
    Ran ran;
    std::size_t sent = 0;
    if (input.empty()) in.close(in.write);
    while (out.read >= 0 || err.read >= 0) {
        pollfd waits[3] = {{out.read, POLLIN, 0}, {err.read, POLLIN, 0}, {in.write, POLLOUT, 0}};
        ::poll(waits, 3, -1);
        const auto take = [](pollfd& wait, Pipe& from, std::string& to) {
            if (from.read < 0 || wait.revents == 0) return;
            char bytes[65536];
            const ssize_t got = ::read(from.read, bytes, sizeof bytes);
            if (got > 0) to.append(bytes, static_cast<std::size_t>(got));
            else from.close(from.read);
        };
        take(waits[0], out, ran.out);
        take(waits[1], err, ran.err);
        if (in.write >= 0 && waits[2].revents != 0) {
            const std::size_t size = std::min<std::size_t>(input.size() - sent, 4096);
            const ssize_t put = ::write(in.write, input.data() + sent, size);
            if (put > 0) sent += static_cast<std::size_t>(put);
            if (put < 0 || sent == input.size()) in.close(in.write);
        }
    }
    ran.exit = exit_of(pid);
    return ran;
}

std::string member(std::string_view json, std::string_view name) {
    const Json parsed = test::json_of(json);
    const Json* const found = parsed.find(name);
    return found == nullptr ? "absent" : to_text(*found);
}

std::string program(const std::string& name) { return test::bin_dir() + "/" + name; }

Words Tool::command(Words words) const {
    Words all{program("statectl"), "--data", data};
    all.insert(all.end(), flags.begin(), flags.end());
    all.insert(all.end(), words.begin(), words.end());
    return all;
}

Ran Tool::operator()(Words words, const std::string& input) const {
    return run(command(std::move(words)), input);
}

std::string Tool::must(Words words, const std::string& input) const {
    const Ran ran = run(command(words), input);
    INFO("statectl ", words.front(), " ", words.size() > 1 ? words[1] : "", ": ", ran.err);
    REQUIRE(ran.exit == 0);
    return ran.out;
}

Running::Running(const Words& words, const std::string& output) {
    pid_ = ::fork();
    REQUIRE(pid_ >= 0);
    if (pid_ != 0) return;
    const std::string path = output.empty() ? "/dev/null" : output;
    const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    ::dup2(descriptor, 1);
    const int null = ::open("/dev/null", O_RDWR);
    ::dup2(null, 0);
    ::dup2(null, 2);
    become(words);
}

Running::~Running() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    exit_of(pid_);
}

void Running::signal(int number) const { ::kill(pid_, number); }

int Running::wait() {
    const int exit = exit_of(pid_);
    pid_ = -1;
    return exit;
}

Daemon::Daemon(const std::string& data, Words flags, int status) : data_(data) {
    // Its log goes to stderr.
    Words words{"bash", "-c", "exec \"$@\" 2>&1", "bash", program("state-engine"), "--data", data, "--port", "0"};
    words.insert(words.end(), flags.begin(), flags.end());
    process_ = std::make_unique<Running>(words, data + ".log");
    const auto deadline = std::chrono::steady_clock::now() + kStartPatience;
    for (;;) {
        auto client = HttpClient::connect(HttpClient::address_of_socket(data));
        if (client) {
            const auto answer = client->get("/readyz");
            if (answer && answer->status == status &&
                member(answer->body, "status") != "\"starting\"")
                return;
        }
        REQUIRE(std::chrono::steady_clock::now() < deadline);
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
}

void Daemon::stop() {
    process_->signal(SIGTERM);
    CHECK(process_->wait() == 0);
    process_.reset();
}

void Daemon::kill() {
    process_->signal(SIGKILL);
    process_->wait();
    process_.reset();
}

std::string Daemon::url() const {
    std::string url;
    for (const std::string& line : lines_of(slurp(data_ + ".log"))) {
        if (member(line, "msg") != "\"state-engine.listening\"") continue;
        const std::string port = member(line, "port");
        url = "http://127.0.0.1:" + port.substr(1, port.size() - 2);
    }
    REQUIRE_FALSE(url.empty());
    return url;
}

std::string slurp(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void spill(const std::string& path, const std::string& text) {
    std::ofstream(path, std::ios::binary) << text;
}

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    for (std::size_t from = 0; from < text.size();) {
        const std::size_t end = std::min(text.find('\n', from), text.size());
        lines.push_back(text.substr(from, end - from));
        from = end + 1;
    }
    return lines;
}

std::size_t count_lines(const std::string& in, const std::string& text) {
    std::size_t count = 0;
    for (const std::string& line : lines_of(in)) count += line.find(text) != line.npos ? 1 : 0;
    return count;
}

}  // namespace se
