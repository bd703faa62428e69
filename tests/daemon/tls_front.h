#pragma once

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/adapters/child_process.h"
#include "tests/adapters/temporary_directory.h"
#include "tests/places.h"

namespace se::test {

/// Certificates and keys, made once for all tests of a program; tests/nats/make_secrets.py says which.
class Certificates {
public:
    static std::string file(const std::string& name) {
        static const Certificates made;
        return made.folder_.path() + "/" + name;
    }

private:
    Certificates() {
        const std::string command = "/usr/bin/python3 " + source_dir() +
                                    "/tests/nats/make_secrets.py " + folder_.path() +
                                    " certificates 2>&1";
        std::FILE* const pipe = ::popen(command.c_str(), "r");
        REQUIRE(pipe != nullptr);
        std::string said;
        for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) said += static_cast<char>(c);
        REQUIRE_MESSAGE(::pclose(pipe) == 0, said);
    }
    TemporaryDirectory folder_;
};

/// TLS before a plain server on loopback, as a program of its own (tls_front.py). Ended, by its process
/// id, with this object or with the test.
class TlsFront {
public:
    struct Options {
        std::string certificate = "server";  ///< which one it shows
        std::vector<std::string> more = {};  ///< of tls_front.py
        std::uint16_t port = 0;              ///< 0: any free one
    };

    /// Returns once it listens.
    explicit TlsFront(std::uint16_t behind) : TlsFront(behind, Options{}) {}
    TlsFront(std::uint16_t behind, Options options) {
        std::vector<std::string> words = {"/usr/bin/python3",
                                          source_dir() + "/tests/daemon/tls_front.py",
                                          std::to_string(behind),
                                          Certificates::file(options.certificate + ".pem"),
                                          Certificates::file(options.certificate + ".key"),
                                          "--port",
                                          std::to_string(options.port)};
        words.insert(words.end(), options.more.begin(), options.more.end());
        process_.start({.words = std::move(words), .log = folder_.path() + "/log"});
        constexpr std::string_view kSays = "listening ";
        const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
        for (;;) {
            const std::string said = log();
            const std::size_t at = said.find(kSays);
            if (at != said.npos && said.find('\n', at) != said.npos) {
                port_ = static_cast<std::uint16_t>(std::stoi(said.substr(at + kSays.size())));
                return;
            }
            REQUIRE_MESSAGE(!process_.ended(), said);
            REQUIRE_MESSAGE(std::chrono::steady_clock::now() < until, said);
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
    }

    std::uint16_t port() const { return port_; }
    std::string url(const std::string& host = "localhost") const {
        return "https://" + host + ":" + std::to_string(port_);
    }
    /// All that it has said.
    std::string log() const {
        std::ifstream in(folder_.path() + "/log");
        std::stringstream text;
        text << in.rdbuf();
        return text.str();
    }
    std::size_t count(std::string_view line) const {
        std::istringstream in(log());
        std::size_t found = 0;
        for (std::string one; std::getline(in, one);) found += one == line ? 1 : 0;
        return found;
    }

private:
    TemporaryDirectory folder_;
    std::uint16_t port_ = 0;
    ChildProcess process_;
};

}  // namespace se::test
