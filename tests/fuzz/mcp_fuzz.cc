// What an MCP client may send: a line a message, to a server with every kind of tool, in both eras at once. Each
// request is answered once or taken back, in one line of JSON that carries its id. Over stdio it is the same however
// the bytes come. Of HTTP: headers that repeat the message, and the event that a client saw last.

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

#include "mcp/base64.h"
#include "mcp/event_stream.h"
#include "mcp/http_state.h"
#include "mcp/request_state.h"
#include "mcp/server.h"
#include "mcp/sessions.h"
#include "mcp/stdio.h"
#include "tests/fuzz/fuzzing.h"
#include "tests/mcp/fixture_registry.h"
#include "tests/sim/sim_clock.h"
#include "tests/sim/sim_random.h"

namespace se::fuzz {
namespace {

using mcp::RpcMessage;

/// A message of ours is one line and says what it is.
Json check_message(std::string_view text) {
    SE_ASSERT(text.find('\n') == text.npos);
    const auto json = parse_json(text, 1000);
    SE_ASSERT(json && json->is_object());
    SE_ASSERT(*json->find("jsonrpc") == Json("2.0"));
    SE_ASSERT((json->find("method") != nullptr) + (json->find("result") != nullptr) +
                  (json->find("error") != nullptr) ==
              1);
    return *json;
}

class CheckedOutlet final : public mcp::Outlet {
public:
    CheckedOutlet(std::string id, mcp::EventStream& stream) : id_(std::move(id)), stream_(stream) {}

    void say(std::string message) override {
        SE_ASSERT(!over);
        SE_ASSERT(check_message(message).find("method") != nullptr);
        stream_.push(message);
    }
    void answer(std::string message, mcp::Standing) override {
        SE_ASSERT(!std::exchange(over, true));
        const Json json = check_message(message);
        SE_ASSERT(json.find("method") == nullptr && to_text(*json.find("id")) == id_);
        stream_.push(message);
    }
    void abandon() override { SE_ASSERT(!std::exchange(over, true)); }

    bool over = false;
    bool listens = false;

private:
    const std::string id_;
    mcp::EventStream& stream_;
};

struct Life {
    SimClock clock;
    SimRandom random{1};
    std::vector<std::function<void()>> later;
    mcp::test::FixtureRegistry fixture{[this](std::chrono::milliseconds, std::function<void()> job) {
        later.push_back(std::move(job));
    }};
    mcp::Server server{fixture.registry, clock, random};
    std::shared_ptr<mcp::EventStream> stream = std::make_shared<mcp::EventStream>("1");
    std::vector<std::shared_ptr<CheckedOutlet>> outlets;
    Caller caller;

    void take(const mcp::ConversationPtr& conversation, mcp::RpcItem&& item) {
        if (const auto* fault = std::get_if<mcp::RpcFault>(&item)) {
            check_message(mcp::rpc_error(fault->id_json, fault->error));
            return;
        }
        auto message = std::get<RpcMessage>(std::move(item));
        if (message.kind != RpcMessage::Kind::request)
            return server.serve(conversation, caller, std::move(message), nullptr);
        outlets.push_back(std::make_shared<CheckedOutlet>(message.id_json, *stream));
        const auto outlet = outlets.back();
        if (!mcp::Server::is_modern(message))
            return server.serve(conversation, caller, std::move(message), outlet);
        outlet->listens = message.method == "subscriptions/listen";
        server.serve_modern(caller, std::move(message), outlet);
    }
};

void live(const std::vector<std::string>& lines, bool legacy_sse) {
    Life life;
    life.caller.principal = "client";
    const auto conversation = life.server.open(life.caller, legacy_sse, [&](const std::string& message) {
        check_message(message);
        life.stream->push(message);
    });
    for (const std::string& line : lines) {
        if (line == "later") {  // time passes, too long for whoever was asked
            life.clock.advance(mcp::kAnswerWait);
            life.server.tick();
        }
        mcp::RpcText text = mcp::parse_rpc(line);
        SE_ASSERT(!text.items.empty() && text.items.size() <= mcp::kBatchMax);
        for (mcp::RpcItem& item : text.items) life.take(conversation, std::move(item));
        for (const auto& job : std::exchange(life.later, {})) job();
        SE_ASSERT(conversation->calls_in_flight() <= mcp::kCallsInFlight);
        // Events that nobody reads are bounded, the last one aside.
        SE_ASSERT(life.stream->bytes() <= mcp::kEventBytesAhead + mcp::kMessageBytesMax);
    }
    while (!life.later.empty()) {
        for (const auto& job : std::exchange(life.later, {})) job();
    }
    life.server.drain();
    life.server.end(conversation);
    // A modern call that waits for ever is taken back by its transport.
    for (const auto& outlet : life.outlets) {
        if (!outlet->over) std::exchange(outlet->on_gone, [] {})();
        SE_ASSERT(outlet->over || outlet->listens);
    }
}

/// All that is said over stdio when the bytes come in such pieces.
std::string talk(std::string_view text, std::size_t piece) {
    Life life;
    life.caller.principal = "client";
    mcp::StdioDoor door(life.server, life.caller, [&] { life.fixture.registry.announce.resync(); });
    while (!text.empty()) {
        door.feed(text.substr(0, piece));
        text.remove_prefix(std::min(piece, text.size()));
        SE_ASSERT(door.output().size() < mcp::kAnswersAheadBytes + mcp::kMessageBytesMax);
    }
    std::string said;
    const auto hear = [&] {
        while (!door.output().empty() || !life.later.empty()) {
            const std::string some(door.output().substr(0, 4096));
            said += some;
            door.took(some.size());
            for (const auto& job : std::exchange(life.later, {})) job();
        }
    };
    hear();
    door.end_of_input();
    hear();
    SE_ASSERT(door.wants_input());
    SE_ASSERT(said.empty() || said.ends_with('\n'));
    return said;
}

std::string encoded(std::string_view text) { return "=?base64?" + mcp::to_base64(text) + "?="; }

/// A modern request with its own words in its headers, encoded, and the next line where arguments are mirrored.
void repeat(const std::vector<std::string>& lines) {
    Life life;
    for (std::size_t i = 0; i < lines.size(); ++i) {
        const mcp::RpcText text = mcp::parse_rpc(lines[i]);
        const auto* message = std::get_if<RpcMessage>(&text.items.front());
        if (message == nullptr || message->kind != RpcMessage::Kind::request) continue;
        const std::string& other = lines[(i + 1) % lines.size()];
        Request request{.method = "POST", .target = "/mcp", .headers = {}, .body = {}, .too_large = {}, .peer = {}};
        request.headers = {{"accept", other},
                           {"mcp-method", encoded(message->method)},
                           {"mcp-param-region", other},
                           {"mcp-param-floor", other}};
        const Json* name = message->params.find(message->method == "resources/read" ? "uri" : "name");
        if (name != nullptr && name->is_string())
            request.headers.emplace_back("mcp-name", encoded(name->string()));
        auto error = mcp::compare_headers(request, *message, life.server);
        SE_ASSERT(!error || error->message.find("mcp-param-") != std::string::npos);
        request.headers[1].second = other;
        error = mcp::compare_headers(request, *message, life.server);
        SE_ASSERT(!error || error->code == mcp::RpcCode::header_mismatch);
        SE_ASSERT(!mcp::prefers_stream(request) || other.find("text/event-stream") != std::string::npos);
        mcp::accepts(request, "text/event-stream");
    }
}

/// Whoever comes back with an id gets exactly what lies behind that event; with what is no id, nothing.
void come_back(std::string_view last_event_id) {
    constexpr std::uint64_t kEvents = 3;
    mcp::Session session;
    for (std::uint64_t number = 0; number < 2; ++number) {
        auto& stream = session.streams[number];
        stream = std::make_shared<mcp::EventStream>(std::to_string(number));
        for (std::uint64_t i = 0; i < kEvents; ++i) stream->push("{}");
    }
    const auto [stream, seen] = session.find_event(last_event_id);
    if (stream == nullptr) return;
    SE_ASSERT(seen <= kEvents);
    bool gap = false;
    const auto connection = stream->connect(seen, &gap);
    std::string told;
    connection->pull(told, 1u << 20);
    SE_ASSERT(!gap && lines_of(told).size() == 1 + 4 * (kEvents - seen));
}

void forge(std::string_view text) {
    SimClock clock;
    SimRandom random{1};
    mcp::RequestStates states(random, clock);
    const Json nothing(Json::Object{});
    SE_ASSERT(!states.redeem({.principal = "p", .method = "m", .name = "n", .arguments = nothing}, text));
}

}  // namespace
}  // namespace se::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text = se::fuzz::text_of(data, size);
    const auto lines = se::fuzz::lines_of(text);
    se::fuzz::live(lines, false);
    se::fuzz::live(lines, true);
    const std::string said = se::fuzz::talk(text, size);
    for (const std::string& line : se::fuzz::lines_of(said)) {
        if (!line.empty()) se::fuzz::check_message(line);
    }
    SE_ASSERT(se::fuzz::talk(text, 1 + size % 13) == said);
    se::fuzz::repeat(lines);
    for (const std::string& line : lines) se::fuzz::come_back(line);
    se::fuzz::forge(lines.front());
    return 0;
}
