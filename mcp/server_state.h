#pragma once

#include <cstdint>
#include <set>
#include <vector>

#include "mcp/request_state.h"
#include "mcp/server.h"

namespace se::mcp {

// Inside the server: what its parts share. Nobody else includes this.

inline constexpr std::string_view kMetaSubscription = "io.modelcontextprotocol/subscriptionId";

/// An answer as it is written: the message, the members of its result, and what every result says. It is one text from
/// here to the transport.
class AnswerText {
public:
    /// `bytes`: about how many the members will have.
    AnswerText(const Registry& registry, Revision era, std::string_view id_json, std::size_t bytes = 0,
               std::string_view result_type = "complete");
    AnswerText(const AnswerText&) = delete;
    AnswerText& operator=(const AnswerText&) = delete;

    JsonObject& result() { return result_; }
    /// The whole message; nothing may follow. `listen_id_json`: the last words to this listen.
    std::string finish(std::string_view listen_id_json = {}) &&;

private:
    bool modern() const { return era_ >= Revision::v2026_07_28; }

    const Registry& registry_;
    const Revision era_;
    std::string text_;
    JsonObject message_;
    JsonObject result_;
};

/// One call of a tool, of a prompt, or the reading of a resource, from its request to its answer.
struct RunningCall final : ToolContext, std::enable_shared_from_this<RunningCall> {
    std::weak_ptr<ServerState> server;
    std::weak_ptr<Conversation> conversation;  ///< of a modern call: none
    OutletPtr outlet;
    Revision era = kNewestWithSessions;
    std::string id_json;
    std::string method;
    std::string name;            ///< of the tool or prompt, or the URI
    std::string progress_token;  ///< JSON; empty: not wanted
    std::optional<LogLevel> log_from;
    std::function<void(const std::shared_ptr<RunningCall>&)> run;  ///< one round
    std::size_t rounds = 0;
    std::size_t questions_open = 0;
    bool over = false;
    bool taken_back = false;

    void progress(double progress, std::optional<double> total, std::string_view message) override;
    void log(LogLevel level, std::string_view logger, const Json& data) override;
    bool cancelled() const override { return taken_back; }
    void on_cancel(std::function<void()> stop) override;
    void release_connection() override {
        if (!over) outlet->release();
    }

    /// The first round. `run` is set.
    void begin();
    void begin_round();
    void answer(AnswerText&& text);
    void fail(RpcError error, Standing standing = Standing::ok);
    /// The client does not want it any more.
    void cancel();

private:
    void close();
    double told_ = 0;
    bool has_told_ = false;
    std::vector<std::function<void()>> stops_;
};
using RunningCallPtr = std::shared_ptr<RunningCall>;

/// Somebody who hears of changes: a conversation, or a modern `subscriptions/listen`.
struct Subscription {
    Caller caller;
    bool tools = false, prompts = false, resources = false;
    std::set<std::string, std::less<>> uris;
    std::string id_json;  ///< of the listen; empty: a conversation
    std::function<void(std::string)> tell;
    OutletPtr outlet;     ///< of the listen
};

/// One request on its way to its handler.
struct Asked {
    Caller caller;
    RpcMessage message;
    OutletPtr outlet;
    Revision era = kNewestWithSessions;
    ConversationPtr conversation = {};  ///< of a modern request: none
    std::shared_ptr<const Json> client = {};  ///< capabilities
    std::optional<LogLevel> log_from = {};

    bool modern() const { return era >= Revision::v2026_07_28; }
    bool legacy_sse() const { return conversation != nullptr && conversation->legacy_sse(); }
    const Json& params() const { return message.params; }
    void answer(AnswerText&& text) const { outlet->answer(std::move(text).finish(), Standing::ok); }
    void fail(RpcCode code, std::string text, std::string data_json = {},
              Standing standing = Standing::ok) const {
        outlet->answer(rpc_error(message.id_json, {code, std::move(text), std::move(data_json)}), standing);
    }
};

struct ServerState : std::enable_shared_from_this<ServerState> {
    ServerState(Registry& the_registry, Clock& the_clock, Random& the_random)
        : registry(the_registry), clock(the_clock), states(the_random, the_clock) {}

    Registry& registry;
    Clock& clock;
    RequestStates states;
    std::map<std::uint64_t, Subscription> subscriptions;
    std::unordered_map<std::string, std::set<std::uint64_t>> by_uri;
    std::uint64_t next_subscription = 0;
    std::vector<std::weak_ptr<Conversation>> conversations;  ///< that wait for answers of their clients
    std::unordered_map<std::string, std::vector<Server::MirroredParameter>> mirrored;

    // server.cc: messages
    void serve_modern(const Caller& caller, RpcMessage message, OutletPtr outlet);
    ConversationPtr open(const Caller& caller, bool legacy_sse, std::function<void(std::string)> tell);
    void serve(const ConversationPtr& conversation, const Caller& caller, RpcMessage message, OutletPtr outlet);
    void dispatch(Asked&& asked);
    void initialize(Asked&& asked);
    void discover(Asked&& asked);
    void ping(Asked&& asked);
    void set_level(Asked&& asked);
    void take_notice(const ConversationPtr& conversation, const RpcMessage& message);
    void end(const ConversationPtr& conversation);
    void resync(const ConversationPtr& conversation);
    std::string capabilities(bool legacy_sse) const;
    std::string server_info(Revision era) const;
    AnswerText answer_to(const Asked& asked) const { return {registry, asked.era, asked.message.id_json}; }

    // server_lists.cc
    bool sees(const Caller& caller, std::string_view scope) const;
    const Tool* find_tool(const Asked& asked, std::string_view name) const;
    const Prompt* find_prompt(const Caller& caller, std::string_view name) const;
    void list_tools(Asked&& asked);
    void list_prompts(Asked&& asked);
    void list_resources(Asked&& asked);
    void list_templates(Asked&& asked);
    void complete(Asked&& asked);
    const std::vector<Server::MirroredParameter>& mirrored_parameters(std::string_view tool);

    // server_calls.cc
    void call_tool(Asked&& asked);
    void get_prompt(Asked&& asked);
    void read_resource(Asked&& asked);
    RunningCallPtr start(Asked& asked, std::string name, Json arguments);
    void finish_tool(const RunningCallPtr& call, ToolOutcome&& outcome);
    void finish_prompt(const RunningCallPtr& call, PromptOutcome&& outcome);
    void finish_resource(const RunningCallPtr& call, ResourceOutcome&& outcome);
    void ask(const RunningCallPtr& call, std::vector<Question>&& questions, const Json& state);
    void ask_modern(const RunningCallPtr& call, const std::vector<Question>& questions, const Json& state);
    void take_answer(const ConversationPtr& conversation, RpcMessage&& message);
    /// Ends a call that cannot go on, as its kind says it.
    void fault(const RunningCallPtr& call, std::string_view text);
    std::chrono::nanoseconds check_answers(std::chrono::nanoseconds now);

    // server_subscriptions.cc
    void listen(Asked&& asked);
    void subscribe(Asked&& asked);
    void unsubscribe(Asked&& asked);
    void close_subscription(std::uint64_t number);
    void add_uri(const std::string& uri, std::uint64_t number);
    void remove_uri(const std::string& uri, std::uint64_t number);
    /// Tells whoever listens and `may` know.
    void lists_changed(bool Subscription::*which, std::string_view method,
                       const std::function<bool(const Caller&)>& may = {});
    void resource_updated(std::string_view uri, std::string_view meta_json);
    void tell_updated(const Subscription& subscription, std::string_view uri, std::string_view meta_json) const;
    void resync(std::uint64_t number);
    void drain();
    std::size_t listens() const;
};

/// A member of an object of params that is a string, or nothing.
const std::string* text_member(const Json& object, std::string_view name);

}  // namespace se::mcp
