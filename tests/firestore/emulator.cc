#include "tests/firestore/emulator.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
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
    REQUIRE(socket >= 0);
    sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    REQUIRE(::bind(socket, reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) == 0);
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

Emulator::~Emulator() {
    kill_hard();
}

void Emulator::start() {
    SE_ASSERT(pid_ < 0);
    const std::string path = jar(), port = "--port=" + std::to_string(port_);
    pid_ = ::fork();
    REQUIRE(pid_ >= 0);
    if (pid_ == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        const int nothing = ::open("/dev/null", O_RDWR);
        ::dup2(nothing, 0);
        ::dup2(nothing, 1);
        ::dup2(nothing, 2);
        ::execlp("java", "java", "-Duser.language=en", "-Xmx1g", "-cp", path.c_str(),
                 "com.google.cloud.datastore.emulator.firestore.CloudFirestore", "--host=127.0.0.1",
                 port.c_str(), nullptr);
        ::_exit(127);
    }
    for (int tries = 0; tries < 600; ++tries) {
        int status = 0;
        if (::waitpid(pid_, &status, WNOHANG) == pid_) {
            pid_ = -1;
            FAIL("the emulator ended by itself; is java installed (tools/install-deps.sh --all)?");
        }
        if (answers(port_)) return;
        std::this_thread::sleep_for(100ms);
    }
    FAIL("the emulator does not answer");
}

void Emulator::kill_hard() {
    if (pid_ < 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
}

void Emulator::pause() const {
    REQUIRE(pid_ > 0);
    ::kill(pid_, SIGSTOP);
}

void Emulator::resume() const {
    REQUIRE(pid_ > 0);
    ::kill(pid_, SIGCONT);
}

std::unique_ptr<firestore::DocumentStore> Emulator::open(const std::string& project) const {
    auto opened = firestore::open_firestore(
        {.project = project, .emulator = address(), .timeout = std::chrono::milliseconds(60'000)});
    REQUIRE(opened);
    return *std::move(opened);
}

}  // namespace se::test
