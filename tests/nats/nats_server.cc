#include "tests/nats/nats_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iostream>
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

void NatsServer::start() {
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
    const std::string log = folder() + "/log";
    process_.start({.words = std::move(words), .log = log, .log_begins_anew = false});
    const auto until = std::chrono::steady_clock::now() + kPatience;
    for (;;) {
        if (port_ == 0) port_ = port_in(ports);
        if (port_ != 0 && answers(port_)) return;
        const bool ended = process_.ended().has_value();
        if (ended || std::chrono::steady_clock::now() > until) {
            std::ifstream said(log);
            std::cerr << "nats-server " << (ended ? "ended" : "does not answer") << ": "
                      << said.rdbuf() << '\n';
            SE_ASSERT(!"nats-server did not start");
        }
        std::this_thread::sleep_for(2ms);
    }
}

}  // namespace se::test
