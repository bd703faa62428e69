// What the headers of a request must say.

#include <algorithm>
#include <charconv>

#include "mcp/base64.h"
#include "mcp/http_state.h"

namespace se::mcp {
namespace {

constexpr std::string_view kEncodedBegin = "=?base64?";
constexpr std::string_view kEncodedEnd = "?=";

std::string_view trimmed(std::string_view text) {
    const std::size_t first = text.find_first_not_of(" \t");
    if (first == text.npos) return {};
    return text.substr(first, text.find_last_not_of(" \t") + 1 - first);
}

const std::string* header_of(const Request& request, std::string_view lower_name) {
    const auto found = std::ranges::find(request.headers, lower_name, [](const auto& one) -> const auto& {
        return one.first;
    });
    return found == request.headers.end() ? nullptr : &found->second;
}

/// The text that a header stands for; nothing when it cannot be one.
std::optional<std::string> decoded(std::string_view value) {
    value = trimmed(value);
    if (value.size() >= kEncodedBegin.size() + kEncodedEnd.size() && value.starts_with(kEncodedBegin) &&
        value.ends_with(kEncodedEnd)) {
        value.remove_prefix(kEncodedBegin.size());
        value.remove_suffix(kEncodedEnd.size());
        return from_base64(value);
    }
    const bool plain = std::ranges::all_of(value, [](char c) { return (c >= ' ' && c <= '~') || c == '\t'; });
    if (!plain) return std::nullopt;
    return std::string(value);
}

RpcError mismatch(std::string text) { return {RpcCode::header_mismatch, "Header mismatch: " + std::move(text), {}}; }

std::optional<RpcError> compare_text(const Request& request, std::string_view shown, std::string_view lower,
                                     std::string_view wanted) {
    const std::string* header = header_of(request, lower);
    if (header == nullptr) return mismatch(std::string(shown) + " is missing");
    const auto value = decoded(*header);
    if (!value) return mismatch(std::string(shown) + " holds what no header value may");
    if (*value != wanted)
        return mismatch(std::string(shown) + " does not say what the message says");
    return std::nullopt;
}

/// Whether a header says the same as an argument. Integers may be written otherwise: 42, 42.0.
bool says(const std::string& text, const Json& argument) {
    if (argument.is_string()) return text == argument.string();
    if (argument.is_bool()) return text == (argument.boolean() ? "true" : "false");
    if (!argument.is_number()) return false;
    double number = 0;
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc() && rest == text.data() + text.size() && number == argument.number();
}

std::optional<RpcError> compare_parameters(const Request& request, const RpcMessage& message,
                                           Server& server) {
    const Json* name = message.params.find("name");
    const Json* arguments = message.params.find("arguments");
    if (name == nullptr || !name->is_string()) return std::nullopt;
    for (const Server::MirroredParameter& mirrored : server.mirrored_parameters(name->string())) {
        const Json* argument = arguments;
        for (const std::string& step : mirrored.path) {
            if (argument != nullptr) argument = argument->find(step);
        }
        const std::string* header = header_of(request, mirrored.header);
        if (argument == nullptr || argument->is_null()) {
            if (header != nullptr) return mismatch(mirrored.header + " has no argument beside it");
            continue;
        }
        if (header == nullptr) return mismatch(mirrored.header + " is missing");
        const auto value = decoded(*header);
        if (!value) return mismatch(mirrored.header + " holds what no header value may");
        if (!says(*value, *argument)) return mismatch(mirrored.header + " does not say what the argument says");
    }
    return std::nullopt;
}

}  // namespace

std::optional<RpcError> compare_headers(const Request& request, const RpcMessage& message, Server& server) {
    if (auto error = compare_text(request, "Mcp-Method", "mcp-method", message.method)) return error;
    const bool by_name = message.method == "tools/call" || message.method == "prompts/get";
    if (by_name || message.method == "resources/read") {
        const Json* name = message.params.find(by_name ? "name" : "uri");
        if (name != nullptr && name->is_string()) {
            if (auto error = compare_text(request, "Mcp-Name", "mcp-name", name->string())) return error;
        }
    }
    if (message.method == "tools/call") return compare_parameters(request, message, server);
    return std::nullopt;
}

bool accepts(const Request& request, std::string_view type) {
    const std::string* accept = header_of(request, "accept");
    if (accept == nullptr) return true;
    std::string_view rest = *accept;
    while (!rest.empty()) {
        const std::size_t comma = std::min(rest.find(','), rest.size());
        const std::string_view one = trimmed(rest.substr(0, std::min(comma, rest.find(';'))));
        rest.remove_prefix(std::min(comma + 1, rest.size()));
        if (one == type || one == "*/*" || one == std::string(type.substr(0, type.find('/'))) + "/*")
            return true;
    }
    return false;
}

bool prefers_stream(const Request& request) {
    const std::string* accept = header_of(request, "accept");
    if (accept == nullptr) return false;
    const std::size_t stream = accept->find("text/event-stream");
    return stream != accept->npos && stream < accept->find("application/json") && stream < accept->find("*/*");
}

}  // namespace se::mcp
