#include "tests/nats/nats_server.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

namespace se::test {
namespace {

using namespace std::chrono_literals;

constexpr auto kPatience = 60s;  // for a hung program, not for a slow machine
constexpr const char* kProgram = "/usr/sbin/nats-server";

/// Whether it greets: its first line is INFO, once it takes connections.
bool answers(std::uint16_t port) {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    char first[4] = {};
    const bool yes =
        ::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
        ::recv(socket, first, sizeof first, MSG_WAITALL) == 4 &&
        std::string_view(first, 4) == "INFO";
    ::close(socket);
    return yes;
}

/// What --ports_file_dir leaves: {"nats":["nats://127.0.0.1:41231"],…}
std::uint16_t port_in(const std::string& folder) {
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        if (entry.path().extension() != ".ports") continue;
        std::ifstream in(entry.path());
        std::stringstream text;
        text << in.rdbuf();
        const std::string ports = text.str();
        const std::size_t at = ports.find("127.0.0.1:");
        if (at != ports.npos) return static_cast<std::uint16_t>(std::stoi(ports.substr(at + 10)));
    }
    return 0;
}

}  // namespace

bool NatsServer::is_there() {
    return ::access(kProgram, X_OK) == 0;
}

NatsServer::NatsServer(std::vector<std::string> arguments) : arguments_(std::move(arguments)) {}

NatsServer::~NatsServer() {
    if (running()) kill_hard();
}

void NatsServer::start() {
    REQUIRE(!running());
    const std::string ports = folder() + "/ports";
    std::filesystem::remove_all(ports);
    std::filesystem::create_directory(ports);
    std::vector<std::string> words = {kProgram,
                                      "-js",
                                      "-a",
                                      "127.0.0.1",
                                      "-p",
                                      port_ == 0 ? "-1" : std::to_string(port_),
                                      "-sd",
                                      folder() + "/store",
                                      "--ports_file_dir",
                                      ports};
    words.insert(words.end(), arguments_.begin(), arguments_.end());
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    const std::string log_path = folder() + "/log";
    const int log = ::open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    REQUIRE(log >= 0);
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    REQUIRE(pid_ >= 0);
    if (pid_ == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (::getppid() != parent) ::_exit(127);
        ::dup2(log, 1);
        ::dup2(log, 2);
        ::execv(arguments[0], arguments.data());
        ::_exit(127);
    }
    ::close(log);
    const auto until = std::chrono::steady_clock::now() + kPatience;
    for (;;) {
        if (port_ == 0) port_ = port_in(ports);
        if (port_ != 0 && answers(port_)) return;
        REQUIRE_MESSAGE(::waitpid(pid_, nullptr, WNOHANG) == 0,
                        "nats-server ended; see " << log_path);
        REQUIRE(std::chrono::steady_clock::now() < until);
        std::this_thread::sleep_for(2ms);
    }
}

void NatsServer::signal(int number) const {
    REQUIRE(running());
    ::kill(pid_, number);
}

void NatsServer::wait_for_end(int signal_number) {
    ::kill(pid_, signal_number);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
}

void NatsServer::stop() {
    wait_for_end(SIGTERM);
}
void NatsServer::kill_hard() {
    wait_for_end(SIGKILL);
}

}  // namespace se::test
