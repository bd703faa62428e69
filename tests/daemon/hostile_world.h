#pragma once

#include <doctest/doctest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "journal/base/hash.h"
#include "tests/adapters/temporary_directory.h"
#include "tests/daemon/daemon_process.h"

namespace se::test {

// A daemon that knows two principals, `good` who may do all and `narrow` who may do little, and
// what tests ask of it who are neither, or who are narrow and want more.

inline constexpr const char* kGood = "good-0123456789abcdef";
inline constexpr const char* kNarrow = "narrow-0123456789abcdef";

inline std::string entry(const std::string& name, const std::string& token,
                         const std::string& more = "") {
    return "    - {name: " + name + ", token_sha256: " + to_hex(sha256(token)) + more + "}\n";
}
inline std::string policy(const std::string& principals) {
    return "allowedKeys: [\"*\"]\nauth:\n  principals:\n" + principals;
}
inline std::string team() {
    return policy(
        entry("good", kGood, R"(, scopes: [metrics, operate, "bit:read", "bit:operate"])") +
        entry("narrow", kNarrow, R"(, read: ["user.*"], write: ["user.*"])"));
}

struct Served {
    explicit Served(std::vector<std::string> arguments = {}, const std::string& text = team())
        : daemon({.data = folder.path() + "/data",
                  .arguments = std::move(arguments),
                  .policy = text}) {
        daemon.start();
    }
    TemporaryDirectory folder;
    DaemonProcess daemon;

    HttpClient client() { return daemon.tcp(); }
};

inline HttpAnswer must(Result<HttpAnswer> answer) {
    REQUIRE_MESSAGE(answer, (answer ? std::string() : answer.error().text));
    return *std::move(answer);
}

inline HttpClient::Request request(const std::string& method, const std::string& target,
                                   const std::string& token, const std::string& body = "") {
    return {.method = method, .target = target, .headers = {{"x-mcp-token", token}}, .body = body};
}

inline std::string code_of(const HttpAnswer& answer) {
    const Json json = json_of(answer.body);
    const Json* const code = json.find("code");
    return code != nullptr && code->is_string() ? code->string() : "";
}

/// A figure of /proc/<pid>/status, in KiB.
inline std::uint64_t memory(const DaemonProcess& daemon, const std::string& name) {
    std::ifstream file("/proc/" + std::to_string(daemon.process()) + "/status");
    for (std::string line; std::getline(file, line);)
        if (line.starts_with(name + ":")) return std::stoull(line.substr(name.size() + 1));
    return 0;
}

/// By how many KiB a process may grow. A sanitizer keeps what was freed for a while.
inline constexpr std::uint64_t growth(std::uint64_t kib) {
#ifdef __SANITIZE_ADDRESS__
    return 3 * kib + (512u << 10);
#else
    return kib;
#endif
}

/// How an answer begins, without taking it: its connection stays as it is.
inline std::string first_bytes(const HttpClient& client) {
    std::array<char, 12> bytes{};
    pollfd one{.fd = client.descriptor(), .events = POLLIN, .revents = 0};
    REQUIRE(::poll(&one, 1, 10'000) == 1);
    const ssize_t got = ::recv(client.descriptor(), bytes.data(), bytes.size(), MSG_PEEK);
    return {bytes.data(), static_cast<std::size_t>(std::max<ssize_t>(got, 0))};
}
inline bool streams(const HttpClient& client) {
    return first_bytes(client) == "HTTP/1.1 200";
}

/// For a thousand connections of one test.
inline void raise_descriptor_limit() {
    rlimit files{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &files) == 0);
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
}

/// Sends a body without an end that says nothing of its size, until the other side has enough.
inline void flood(HttpClient& client, const std::string& head) {
    REQUIRE(client.write_raw(head + "Transfer-Encoding: chunked\r\n\r\n"));
    const std::string chunk = "100000\r\n" + std::string(1u << 20, 'x') + "\r\n";
    for (int i = 0; i < 100; ++i)
        if (!client.write_raw(chunk)) break;
}

}  // namespace se::test
