#include "mcp/json_rpc.h"

namespace se::mcp {
namespace {

RpcFault fault(RpcCode code, std::string message, std::string id_json = "null") {
    return {std::move(id_json), {code, std::move(message), {}}};
}

RpcFault invalid(std::string message, std::string id_json = "null") {
    return fault(RpcCode::invalid_request, std::move(message), std::move(id_json));
}

RpcItem message_of(Json&& json) {
    if (!json.is_object()) return invalid("a message is a JSON object");
    std::string id = "null";
    const Json* id_member = json.find("id");
    if (id_member != nullptr) {
        // Null is what an answer has to a request that could not be read: no request may have it.
        if (!id_member->is_string() && !id_member->is_integer())
            return invalid("an id is a string or an integer");
        std::string text = to_text(*id_member);
        if (text.size() > kRpcIdBytesMax)
            return invalid("an id has at most " + std::to_string(kRpcIdBytesMax) + " bytes");
        id = std::move(text);
    }
    const Json* version = json.find("jsonrpc");
    if (version == nullptr || !version->is_string() || version->string() != "2.0")
        return invalid("a message has \"jsonrpc\": \"2.0\"", id);

    RpcMessage message;
    message.id_json = id_member == nullptr ? std::string() : id;
    const Json* method = json.find("method");
    Json* result = member_of(json, "result");
    const Json* error = json.find("error");
    if ((method != nullptr) + (result != nullptr) + (error != nullptr) != 1)
        return invalid("a message has one of method, result and error", id);
    if (method == nullptr) {
        if (id_member == nullptr) return invalid("an answer has the id of its request");
        if (result != nullptr) {
            if (!result->is_object()) return invalid("a result is an object", id);
            message.kind = RpcMessage::Kind::result;
            message.result = std::move(*result);
            return message;
        }
        message.kind = RpcMessage::Kind::error;
        const Json* text = error->find("message");
        message.error_text = text != nullptr && text->is_string() ? text->string() : to_text(*error);
        return message;
    }
    if (!method->is_string() || method->string().empty()) return invalid("a method is a name", id);
    if (method->string().size() > kMethodBytesMax)
        return invalid("a method has at most " + std::to_string(kMethodBytesMax) + " bytes", id);
    message.kind =
        id_member == nullptr ? RpcMessage::Kind::notification : RpcMessage::Kind::request;
    message.method = method->string();
    if (Json* params = member_of(json, "params")) {
        if (!params->is_object()) return fault(RpcCode::invalid_params, "params is an object", id);
        message.params = std::move(*params);
    }
    return message;
}

}  // namespace

Json* member_of(Json& json, std::string_view name) { return const_cast<Json*>(json.find(name)); }

RpcText parse_rpc(std::string_view text) {
    RpcText out;
    if (text.size() > kMessageBytesMax) {
        out.items.emplace_back(
            invalid("a message has at most " + std::to_string(kMessageBytesMax) + " bytes"));
        return out;
    }
    auto json = parse_json(text, kMessageDepthMax);
    if (!json) {
        out.items.emplace_back(fault(RpcCode::parse_error, "Parse error: " + json.error().text));
        return out;
    }
    if (!json->is_array()) {
        out.items.push_back(message_of(std::move(*json)));
        return out;
    }
    if (json->array().empty() || json->array().size() > kBatchMax) {
        out.items.emplace_back(
            invalid("a batch has 1 to " + std::to_string(kBatchMax) + " messages"));
        return out;
    }
    out.batch = true;
    for (Json& item : json->array()) out.items.push_back(message_of(std::move(item)));
    return out;
}

std::string& begin_rpc_result(JsonObject& message, std::string_view id_json) {
    return message.text("jsonrpc", "2.0").raw("id", id_json).member("result");
}

std::string rpc_error(std::string_view id_json, const RpcError& error) {
    std::string body;
    JsonObject object(body);
    object.signed_integer("code", static_cast<int>(error.code)).text("message", error.message);
    if (!error.data_json.empty()) object.raw("data", error.data_json);
    object.close();
    std::string out;
    JsonObject(out).text("jsonrpc", "2.0").raw("id", id_json).raw("error", body).close();
    return out;
}

std::string rpc_notification(std::string_view method, std::string_view params_json) {
    std::string out;
    JsonObject object(out);
    object.text("jsonrpc", "2.0").text("method", method);
    if (!params_json.empty()) object.raw("params", params_json);
    object.close();
    return out;
}

std::string rpc_request(std::string_view id_json, std::string_view method, std::string_view params_json) {
    std::string out;
    JsonObject(out)
        .text("jsonrpc", "2.0")
        .raw("id", id_json)
        .text("method", method)
        .raw("params", params_json)
        .close();
    return out;
}

}  // namespace se::mcp
