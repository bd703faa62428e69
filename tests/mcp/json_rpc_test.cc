#include "mcp/json_rpc.h"

#include <doctest/doctest.h>

#include "mcp/base64.h"

namespace se::mcp {
namespace {

RpcMessage message_in(std::string_view text) {
    const RpcText parsed = parse_rpc(text);
    REQUIRE(parsed.items.size() == 1);
    REQUIRE_MESSAGE(std::holds_alternative<RpcMessage>(parsed.items.front()), std::string(text));
    return std::get<RpcMessage>(parsed.items.front());
}

RpcFault fault_in(std::string_view text) {
    const RpcText parsed = parse_rpc(text);
    REQUIRE(parsed.items.size() == 1);
    REQUIRE_MESSAGE(std::holds_alternative<RpcFault>(parsed.items.front()), std::string(text));
    return std::get<RpcFault>(parsed.items.front());
}

}  // namespace

TEST_CASE("an id comes back exactly as it was sent") {
    for (const std::string id : {"1", "-7", "0", "9007199254740993", "9223372036854775807", R"("a")", R"("")",
                                 R"("ä\n\"")", R"("1")"}) {
        CAPTURE(id);
        const auto message = message_in(R"({"jsonrpc":"2.0","id":)" + id + R"(,"method":"ping"})");
        CHECK(message.id_json == id);
        std::string answer;
        JsonObject result(answer);
        begin_rpc_result(result, message.id_json) += "{}";
        result.close();
        CHECK(answer == R"({"jsonrpc":"2.0","id":)" + id + R"(,"result":{}})");
    }
}

TEST_CASE("an id that is neither string nor integer is refused, and a longer one than the limit") {
    for (const std::string id : {"null", "1.5", "true", "[]", "{}"}) {
        const auto fault = fault_in(R"({"jsonrpc":"2.0","id":)" + id + R"(,"method":"ping"})");
        CHECK(fault.error.code == RpcCode::invalid_request);
        CHECK(fault.id_json == "null");
    }
    const std::string whole = '"' + std::string(kRpcIdBytesMax - 2, 'x') + '"';
    CHECK(message_in(R"({"jsonrpc":"2.0","method":"ping","id":)" + whole + "}").id_json == whole);
    const std::string longer = '"' + std::string(kRpcIdBytesMax - 1, 'x') + '"';
    CHECK(fault_in(R"({"jsonrpc":"2.0","method":"ping","id":)" + longer + "}").id_json == "null");
}

TEST_CASE("a message that is none gets the code of what is wrong with it, and its id where it has one") {
    struct Row {
        std::string_view text;
        RpcCode code;
        std::string_view id;
    };
    const Row rows[] = {
        {"", RpcCode::parse_error, "null"},
        {"{", RpcCode::parse_error, "null"},
        {"{\"jsonrpc\":\"2.0\",\"method\":\"\xff\"}", RpcCode::parse_error, "null"},
        {R"({"a":1,"a":2})", RpcCode::parse_error, "null"},
        {"7", RpcCode::invalid_request, "null"},
        {"[]", RpcCode::invalid_request, "null"},
        {R"({"id":3,"method":"ping"})", RpcCode::invalid_request, "3"},
        {R"({"jsonrpc":"1.0","id":3,"method":"ping"})", RpcCode::invalid_request, "3"},
        {R"({"jsonrpc":"2.0","id":3})", RpcCode::invalid_request, "3"},
        {R"({"jsonrpc":"2.0","id":3,"method":7})", RpcCode::invalid_request, "3"},
        {R"({"jsonrpc":"2.0","id":3,"method":""})", RpcCode::invalid_request, "3"},
        {R"({"jsonrpc":"2.0","id":3,"method":"ping","result":{}})", RpcCode::invalid_request, "3"},
        {R"({"jsonrpc":"2.0","result":{}})", RpcCode::invalid_request, "null"},
        {R"({"jsonrpc":"2.0","id":3,"method":"ping","params":[1]})", RpcCode::invalid_params, "3"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.text);
        const auto fault = fault_in(row.text);
        CHECK(fault.error.code == row.code);
        CHECK(fault.id_json == row.id);
        CHECK(!fault.error.message.empty());
    }
}

TEST_CASE("depth, size, method and batch have limits, and each is refused by name") {
    const auto nested = [](std::size_t depth) {
        return R"({"jsonrpc":"2.0","method":"m","params":{"a":)" + std::string(depth, '[') +
               std::string(depth, ']') + "}}";
    };
    CHECK(message_in(nested(kMessageDepthMax - 2)).method == "m");
    CHECK(fault_in(nested(kMessageDepthMax)).error.code == RpcCode::parse_error);
    CHECK(fault_in(std::string(kMessageBytesMax + 1, ' ')).error.message.find("at most") != std::string::npos);
    const std::string method(kMethodBytesMax + 1, 'm');
    CHECK(fault_in(R"({"jsonrpc":"2.0","method":")" + method + "\"}").error.code == RpcCode::invalid_request);

    std::string batch = "[";
    for (std::size_t i = 0; i < kBatchMax; ++i)
        batch += std::string(i == 0 ? "" : ",") + R"({"jsonrpc":"2.0","method":"m"})";
    CHECK(parse_rpc(batch + "]").items.size() == kBatchMax);
    CHECK(parse_rpc(batch + "]").batch);
    CHECK(fault_in(batch + ",1]").error.code == RpcCode::invalid_request);
}

TEST_CASE("base64 reads back what it wrote, and nothing that an encoder would not have written") {
    std::string bytes;
    for (int i = 0; i < 300; ++i) {
        CHECK(from_base64(to_base64(bytes)) == bytes);
        CHECK(from_base64url(to_base64url(bytes)) == bytes);
        bytes += static_cast<char>(i * 7);
    }
    CHECK(to_base64("Hello") == "SGVsbG8=");
    for (const std::string_view text : {"SGVsbG8", "SGVs!!!bG8=", "SGVsbG9=", "=", "A", "SGVsbG8===", "-_8="})
        CHECK(!from_base64(text));
    CHECK(!from_base64url("A"));
    CHECK(!from_base64url("SGVsbG9"));
}

}  // namespace se::mcp
