#include "tests/sim/sim_agents.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "mcp/engine_door.h"
#include "mcp/server.h"
#include "mcp/stdio.h"
#include "mcp/tools/state_registry.h"
#include "tests/sim/sim_places.h"

namespace se::sim {
namespace {

constexpr std::string_view kScheme = "state://";
constexpr std::size_t kKeysWatched = 4;  ///< of kKeys, the first ones
constexpr std::size_t kManyCalls = mcp::kCallsInFlight - 1;  ///< a listen is one, too
constexpr std::array<std::string_view, 2> kRevisions = {"2025-06-18", "2025-11-25"};

std::uint64_t number_in(const Json& object, std::string_view name) {
    const Json* member = object.find(name);
    return member != nullptr && member->is_integer() ? static_cast<std::uint64_t>(member->integer()) : 0;
}

std::string text_in(const Json& object, std::string_view name) {
    const Json* member = object.find(name);
    return member != nullptr && member->is_string() ? member->string() : "";
}

bool is_true(const Json& object, std::string_view name) {
    const Json* member = object.find(name);
    return member != nullptr && member->is_bool() && member->boolean();
}

/// What a tool's result says of a proposal.
Answer answer_of(const Json& said) {
    Answer answer;
    answer.id = text_in(said, "id");
    answer.status = text_in(said, "status") == "accepted" ? Answer::Status::accepted
                                                           : Answer::Status::rejected;
    answer.duplicate = is_true(said, "duplicate");
    answer.seq = Seq{number_in(said, "seq")};
    answer.epoch = Epoch{number_in(said, "epoch")};
    answer.message = text_in(said, "message");
    answer.reason = text_in(said, "reason");
    if (const auto code = code_from_text(text_in(said, "code"))) answer.code = *code;
    if (const Json* changes = said.find("changes")) {
        for (const Json& change : changes->array()) {
            answer.changes.push_back({.key = text_in(change, "key"),
                                      .version = Version{number_in(change, "version")},
                                      .deleted = is_true(change, "deleted")});
        }
    }
    return answer;
}

/// As a read shows it, without its key.
Json shown(const std::string& key, const Entry& entry) {
    std::string text;
    append_entry_json(text, key, entry);
    Json json = *parse_json(text);
    json.erase("key");
    return json;
}

}  // namespace

struct Agents::Agent {
    std::string principal;
    bool modern = false;
    std::unique_ptr<mcp::StdioDoor> door;
    std::int64_t next_id = 1;
    std::map<std::int64_t, std::function<void(const Json& message)>> asked;
    std::vector<std::pair<std::string, Seq>> heard;  ///< notices, not looked at yet; seq 0: may have missed some
    Seq told;                                        ///< of the keys it watches, all changes up to here
    bool sure = true;                                ///< that nothing has to be told anew

    std::int64_t send(std::string_view method, std::string params) {
        if (modern) {
            params.pop_back();
            params += params.size() > 1 ? "," : "";
            params += R"("_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",)"
                      R"("io.modelcontextprotocol/clientCapabilities":{}}})";
        }
        const std::int64_t id = next_id++;
        std::string line = R"({"jsonrpc":"2.0","id":)" + std::to_string(id) + R"(,"method":")";
        line.append(method).append(R"(","params":)").append(params).append("}\n");
        door->feed(line);
        return id;
    }
};

struct Agents::Process {
    Process(Clock& clock, Random& random)
        : offers(door, {.version = "sim"}), server(offers.registry(), clock, random) {}

    mcp::EngineDoor door;
    mcp::StateRegistry offers;
    mcp::Server server;
    std::array<Agent, 2> agents;
};

Agents::Agents(SimClock& clock, std::uint64_t seed) : clock_(clock), chance_(seed ^ 0x6D6370) {}
Agents::~Agents() = default;

void Agents::begin(Engine& engine) {
    process_ = std::make_unique<Process>(clock_, chance_);
    process_->door.attach(&engine);
    const bool first = chance_.chance(50);
    for (std::size_t i = 0; i < 2; ++i) {
        Agent& agent = process_->agents[i];
        agent.principal = i == 0 ? "alice" : "bob";
        agent.modern = (i == 0) == first;
        agent.told = engine.applied().seq;
        agent.door = std::make_unique<mcp::StdioDoor>(
            process_->server,
            Caller{.principal = agent.principal,
                   .actor = agent.principal,
                   .rights = Principal::with_all_rights(agent.principal)},
            [this] { process_->offers.registry().announce.resync(); });
        std::string uris;
        for (std::size_t key = 0; key < kKeysWatched; ++key) {
            const std::string uri = '"' + std::string(kScheme) + std::string(kKeys[key]) + '"';
            uris += (key == 0 ? "" : ",") + uri;
        }
        if (agent.modern) {
            agent.send("subscriptions/listen", R"({"notifications":{"resourceSubscriptions":[)" + uris + "]}}");
            continue;
        }
        agent.send("initialize", R"({"protocolVersion":")" +
                                     std::string(kRevisions[chance_.below(kRevisions.size())]) +
                                     R"(","capabilities":{},"clientInfo":{"name":"sim","version":"1"}})");
        agent.door->feed("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n");
        for (std::size_t key = 0; key < kKeysWatched; ++key)
            agent.send("resources/subscribe",
                       R"({"uri":")" + std::string(kScheme) + std::string(kKeys[key]) + "\"}");
    }
}

void Agents::die() {
    process_.reset();
}

void Agents::take_lines(Agent& agent) {
    const std::string out(agent.door->output());
    agent.door->took(out.size());
    for (std::size_t at = 0; at < out.size();) {
        const std::size_t end = out.find('\n', at);
        const auto message = parse_json(std::string_view(out).substr(at, end - at));
        must(end != out.npos && message, "watch.mcp", [&] { return "no line of JSON: " + out.substr(at, 200); });
        at = end + 1;
        if (text_in(*message, "method") == "notifications/resources/updated") {
            const Json& params = *message->find("params");
            const Json* meta = params.find("_meta");
            agent.heard.emplace_back(text_in(params, "uri").substr(kScheme.size()),
                                     Seq{meta == nullptr ? 0 : number_in(*meta, "seq")});
        }
        const Json* id = message->find("id");
        if (id == nullptr || !id->is_integer()) continue;
        if (auto asked = agent.asked.extract(id->integer())) asked.mapped()(*message);
    }
}

void Agents::hear() {
    if (process_ == nullptr) return;
    for (Agent& agent : process_->agents) take_lines(agent);
}

void Agents::propose(Engine& engine, const Request& request, std::function<void(Answer&&)> told) {
    if (process_ == nullptr) begin(engine);
    Agent& agent = process_->agents[request.principal == "alice" ? 0 : 1];
    // Before it is sent: the answer may be there at once, and is read when the agent reads.
    agent.asked[agent.next_id] = [id = request.id, told = std::move(told)](const Json& message) {
        const Json* result = message.find("result");
        const Json* said = result == nullptr ? nullptr : result->find("structuredContent");
        if (said != nullptr) return told(answer_of(*said));
        must(message.find("error") != nullptr, "E4", "a proposal is answered by " + se::to_text(message));
        told({.id = id, .code = Code::unavailable});
    };
    agent.send("tools/call", R"({"name":"propose_mutation","arguments":)" + request.text() + "}");
}

/// What a call that is answered at once says; nothing when its proposals have taken all the calls there are.
std::optional<Json> Agents::ask(Agent& agent, std::string_view tool, const std::string& arguments) {
    std::optional<Json> got;
    agent.asked[agent.next_id] = [&got](const Json& message) { got = message; };
    agent.send("tools/call", R"({"name":")" + std::string(tool) + R"(","arguments":)" + arguments + "}");
    take_lines(agent);
    const Json* result = got ? got->find("result") : nullptr;
    const Json* said = result == nullptr ? nullptr : result->find("structuredContent");
    if (got && got->find("error") != nullptr && agent.asked.size() >= kManyCalls) return std::nullopt;
    must(said != nullptr && !is_true(*result, "isError"), "P4.mcp",
         [&] { return std::string(tool) + " says " + (got ? se::to_text(*got) : "nothing"); });
    return *said;
}

void Agents::look(Engine& engine, const Model& model, bool whole, bool lax) {
    if (process_ == nullptr) begin(engine);
    process_->door.changes_applied();
    const Seq as_of = engine.applied().seq;
    for (Agent& agent : process_->agents) {
        take_lines(agent);
        agent.sure = agent.sure && whole;
        // What was shown before its sync and is not shown any more.
        if (lax && std::ranges::find(agent.heard, Seq{}, &std::pair<std::string, Seq>::second) != agent.heard.end())
            agent.sure = false;
        if (agent.sure) check_told(agent, model, as_of);
        agent.heard.clear();
        if (!whole) continue;
        if (chance_.chance(20)) check_state(agent, model, as_of);
        if (chance_.chance(20)) check_changes(agent, model, as_of, lax);
    }
}

/// Of what it has subscribed to it is told each change, once, in order.
void Agents::check_told(Agent& agent, const Model& model, Seq as_of) {
    auto notice = agent.heard.begin();
    const auto& changes = model.changes();
    auto next = std::ranges::upper_bound(changes, agent.told, {}, &std::pair<Seq, std::string>::first);
    for (; next != changes.end() && next->first <= as_of; ++next) {
        if (std::find(kKeys, kKeys + kKeysWatched, next->second) == kKeys + kKeysWatched) continue;
        must(notice != agent.heard.end() && notice->first == next->second && notice->second == next->first,
             "watch.mcp", [&] {
                 return "an agent is told " +
                        (notice == agent.heard.end() ? "nothing" : notice->first + " at " + text(notice->second)) +
                        ", next is " + next->second + " at " + text(next->first);
             });
        ++notice;
    }
    must(notice == agent.heard.end(), "watch.mcp",
         [&] { return "an agent is told of " + notice->first + " at " + text(notice->second) + " once too often"; });
    agent.told = std::max(agent.told, as_of);
}

void Agents::check_state(Agent& agent, const Model& model, Seq as_of) {
    std::string keys;
    for (const std::string_view key : kKeys) keys += (keys.empty() ? "\"" : ",\"") + std::string(key) + '"';
    const auto answer = ask(agent, "get_state", R"({"keys":[)" + keys + "]}");
    if (!answer) return;
    const Json& said = *answer;
    must(number_in(*said.find("asOf"), "seq") == as_of.value, "P4.mcp",
         [&] { return "get_state says " + se::to_text(*said.find("asOf")) + ", shown is " + text(as_of); });
    const Json* deleted = said.find("deleted");
    for (const std::string_view name : kKeys) {
        const std::string key(name);
        const Entry* entry = model.as_of(key, as_of);
        const Json* got = said.find("entries")->find(key);
        const bool live = entry != nullptr && !entry->deleted;
        must(got != nullptr && *got == (live ? shown(key, *entry) : Json()), "P4.mcp", [&] {
            return "get_state says " + (got == nullptr ? "nothing" : se::to_text(*got)) + " of " + key + " as of " +
                   text(as_of);
        });
        const Json* gone = deleted == nullptr ? nullptr : deleted->find(key);
        must((gone != nullptr) == (entry != nullptr && entry->deleted) &&
                 (gone == nullptr || number_in(*gone, "version") == entry->version.value),
             "P4.mcp", [&] { return "get_state does not say that " + key + " was deleted"; });
    }
}

/// Behind a bookmark, whichever process told it, nothing is missing.
void Agents::check_changes(Agent& agent, const Model& model, Seq as_of, bool lax) {
    const auto known = bookmarks_.find(agent.principal);
    const std::uint64_t limit = 1 + chance_.below(20);
    const auto answer =
        ask(agent, "changes_since",
            known == bookmarks_.end()
                ? "{}"
                : R"({"since":")" + to_text(known->second) + R"(","limit":)" + std::to_string(limit) + "}");
    if (!answer) return;
    const Json& said = *answer;
    const auto now = cursor_from_text(text_in(said, "bookmark"));
    must(now.has_value(), "watch.mcp", [&] { return "no bookmark: " + se::to_text(said); });
    const Cursor before = known == bookmarks_.end() ? *now : known->second;
    bookmarks_[agent.principal] = *now;
    const bool resync = is_true(said, "resync");
    must(!resync || lax || model.lost_any(), "watch.mcp", "an agent's bookmark is rewound although nothing was lost");
    if (resync) return;
    const auto& changes = model.changes();
    auto next = std::ranges::upper_bound(changes, before.seq, {}, &std::pair<Seq, std::string>::first);
    for (const Json& event : said.find("changes")->array()) {
        must(next != changes.end() && next->second == text_in(event, "key") &&
                 next->first.value == number_in(event, "seq"),
             "watch.mcp", [&] { return "behind " + to_text(before) + " an agent is told " + se::to_text(event); });
        ++next;
    }
    must(next == changes.end() || next->first > now->seq, "watch.mcp",
         [&] { return "an agent's bookmark passes " + next->second + " at " + text(next->first); });
    must(is_true(said, "more") || now->seq >= as_of, "watch.mcp",
         [&] { return "no more is said at " + to_text(*now) + ", shown is " + text(as_of); });
}

}  // namespace se::sim
