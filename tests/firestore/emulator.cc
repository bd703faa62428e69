#include "tests/firestore/emulator.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <thread>

#include "engine/adapters/firestore_store.h"

namespace se::test {
namespace {

using namespace std::chrono_literals;

constexpr const char* kUsualJar =
    "/usr/lib/google-cloud-sdk/platform/cloud-firestore-emulator/cloud-firestore-emulator.jar";

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

/// Free a moment ago, which is all that a program can be told that does not say its own port.
std::uint16_t free_port() {
    const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
    SE_ASSERT(socket >= 0);
    sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    SE_ASSERT(::bind(socket, reinterpret_cast<sockaddr*>(&address), size) == 0);
    SE_ASSERT(::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    ::close(socket);
    return ntohs(address.sin_port);
}

/// It says Ok to anybody once it serves.
bool answers(std::uint16_t port) {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = loopback(port);
    std::string heard;
    const timeval patience{.tv_sec = 2, .tv_usec = 0};
    ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
        const std::string_view ask = "GET / HTTP/1.0\r\nHost: localhost\r\n\r\n";
        char buffer[4096];
        if (::send(socket, ask.data(), ask.size(), MSG_NOSIGNAL) > 0) {
            for (ssize_t n; (n = ::recv(socket, buffer, sizeof buffer, 0)) > 0;)
                heard.append(buffer, static_cast<std::size_t>(n));
        }
    }
    ::close(socket);
    return heard.find("Ok") != std::string::npos;
}

}  // namespace

std::string Emulator::jar() {
    const char* const named = std::getenv("FIRESTORE_EMULATOR_JAR");
    if (named != nullptr && *named != '\0') return named;
    return std::filesystem::exists(kUsualJar) ? kUsualJar : "";
}

bool Emulator::skipped(const char* test) {
    if (!jar().empty() && firestore::speaks_firestore()) return false;
    std::cout << "SKIP: " << test << ": "
              << (jar().empty() ? "Google's Firestore emulator is not here (FIRESTORE_EMULATOR_JAR)"
                                : "this build was made without gRPC")
              << '\n';
    return true;
}

Emulator::Emulator() : port_(free_port()) {
    start();
}

void Emulator::start() {
    const std::string log = folder_.path() + "/log";
    process_.start(
        {.words = {"/usr/bin/env", "java", "-Duser.language=en", "-Xmx1g", "-cp", jar(),
                   "com.google.cloud.datastore.emulator.firestore.CloudFirestore",
                   "--host=127.0.0.1", "--port=" + std::to_string(port_)},
         .log = log});
    const auto until = std::chrono::steady_clock::now() + 60s;
    while (!answers(port_)) {
        const bool ended = process_.ended().has_value();
        if (ended || std::chrono::steady_clock::now() > until) {
            std::ifstream said(log);
            std::cerr << "the emulator " << (ended ? "ended" : "does not answer")
                      << " (is java installed? tools/install-deps.sh --all): " << said.rdbuf()
                      << '\n';
            SE_ASSERT(!"the emulator did not start");
        }
        std::this_thread::sleep_for(100ms);
    }
}

std::unique_ptr<firestore::DocumentStore> Emulator::open(const std::string& project) const {
    auto opened = firestore::open_firestore(
        {.project = project, .emulator = address(), .timeout = std::chrono::milliseconds(60'000)});
    SE_ASSERT(opened);
    return *std::move(opened);
}

}  // namespace se::test
