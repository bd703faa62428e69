#pragma once

#include <doctest/doctest.h>

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/adapters/http_client.h"
#include "journal/base/json.h"
#include "tests/daemon/daemon_process.h"

namespace se::test {

// Requests to /mcp as the clients of both eras send them, and what comes back.

inline HttpClient::Request mcp_post(std::string body, const std::string& token = "") {
    HttpClient::Request request{.method = "POST",
                                .target = "/mcp",
                                .headers = {{"Content-Type", "application/json"},
                                            {"Accept", "application/json, text/event-stream"}},
                                .body = std::move(body)};
    if (!token.empty()) request.headers.emplace_back("x-mcp-token", token);
    return request;
}

/// One of 2026-07-28. `params`: members, without braces; `name`: of the tool, prompt or resource.
inline HttpClient::Request mcp_request(const std::string& method, const std::string& params = "",
                                       const std::string& name = "",
                                       const std::string& token = "") {
    HttpClient::Request request =
        mcp_post(R"({"jsonrpc":"2.0","id":1,"method":")" + method + R"(","params":{)" + params +
                     (params.empty() ? "" : ",") +
                     R"("_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",)"
                     R"("io.modelcontextprotocol/clientInfo":{"name":"test","version":"1"},)"
                     R"("io.modelcontextprotocol/clientCapabilities":{}}}})",
                 token);
    request.headers.emplace_back("MCP-Protocol-Version", "2026-07-28");
    request.headers.emplace_back("Mcp-Method", method);
    if (!name.empty()) request.headers.emplace_back("Mcp-Name", name);
    return request;
}
inline HttpClient::Request mcp_call(const std::string& tool, const std::string& arguments,
                                    const std::string& token = "") {
    return mcp_request("tools/call", R"("name":")" + tool + R"(","arguments":)" + arguments, tool,
                       token);
}

/// One of a session of 2025-11-25.
inline HttpClient::Request mcp_in_session(const std::string& session, const std::string& method,
                                          const std::string& params,
                                          const std::string& token = "") {
    HttpClient::Request request = mcp_post(
        R"({"jsonrpc":"2.0","id":1,"method":")" + method + R"(","params":)" + params + "}", token);
    if (!session.empty()) request.headers.emplace_back("Mcp-Session-Id", session);
    return request;
}
inline HttpClient::Request mcp_initialize(const std::string& token = "") {
    return mcp_in_session("", "initialize",
                          R"({"protocolVersion":"2025-11-25","capabilities":{},)"
                          R"("clientInfo":{"name":"test","version":"1"}})",
                          token);
}

/// The member at the end of a path of names; null when there is none.
inline Json at(Json json, std::initializer_list<std::string_view> path) {
    for (const std::string_view name : path) {
        const Json* next = json.find(name);
        if (next == nullptr) return nullptr;
        json = Json(*next);
    }
    return json;
}

}  // namespace se::test
