#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "journal/base/json.h"

namespace se::mcp {

// JSON-RPC 2.0 as MCP uses it: one text in, its messages; answers and errors out. Pure.

// Limits of a message. Over any of them it is refused, and its sender told which.
inline constexpr std::size_t kMessageBytesMax = 10u << 20;  ///< where the transport has no smaller limit
inline constexpr std::size_t kMessageDepthMax = 64;
inline constexpr std::size_t kRpcIdBytesMax = 512;
inline constexpr std::size_t kMethodBytesMax = 256;
inline constexpr std::size_t kBatchMax = 64;  ///< messages in one array

enum class RpcCode : int {
    parse_error = -32700,
    invalid_request = -32600,
    method_not_found = -32601,
    invalid_params = -32602,
    internal = -32603,
    resource_not_found = -32002,  ///< up to 2025-11-25; then invalid_params
    header_mismatch = -32020,
    missing_capability = -32021,
    unsupported_version = -32022,
};

struct RpcError {
    RpcCode code;
    std::string message;
    std::string data_json = {};  ///< may be empty
};

struct RpcMessage {
    enum class Kind : std::uint8_t { request, notification, result, error };
    Kind kind = Kind::notification;
    std::string id_json;     ///< a string or an integer, as JSON text; empty for a notification
    std::string method;      ///< of a request or notification
    Json params = Json::Object{};  ///< an object; empty when the client sent none
    Json result;             ///< of a result
    std::string error_text;  ///< of an error: what the other side said
};

/// What is no message: the error to answer with, and the id to answer to (`null` when it cannot be known).
struct RpcFault {
    std::string id_json = "null";
    RpcError error;
};

using RpcItem = std::variant<RpcMessage, RpcFault>;

/// One text: a message, or an array of them (which revisions take arrays is for the caller to know). Always
/// has at least one item; a text that is no JSON, or an empty array, is one fault and no batch.
struct RpcText {
    bool batch = false;
    std::vector<RpcItem> items;
};
RpcText parse_rpc(std::string_view text);

/// The member of that name, or nullptr, for who takes it out: a message is read once.
Json* member_of(Json& json, std::string_view name);

// The messages that go out, as JSON text on one line.
/// Begins the message of a result: the result, an object, is to be appended next, and `message` closed behind it.
std::string& begin_rpc_result(JsonObject& message, std::string_view id_json);
std::string rpc_error(std::string_view id_json, const RpcError& error);
std::string rpc_notification(std::string_view method, std::string_view params_json);
std::string rpc_request(std::string_view id_json, std::string_view method, std::string_view params_json);

}  // namespace se::mcp
