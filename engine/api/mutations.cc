// POST /v1/mutations: one proposal, or a proposal a line. POST /v1/operator/import: what another
// engine had, a line each.

#include <charconv>
#include <cstdint>
#include <deque>

#include "engine/api/core.h"
#include "engine/intake/utf8.h"
#include "journal/base/json.h"
#include "journal/base/json_depth.h"

namespace se {
namespace {

constexpr std::size_t kToolBytesMax = 128;  ///< the name of a tool; longer: malformed

Response to_response(const Answer& answer) {
    Response response{.status = http_status(answer)};
    append_answer_json(response.body, answer);
    response.body += '\n';
    if (answer.retry_after_ms) {
        response.headers.emplace_back("Retry-After",
                                      std::to_string((*answer.retry_after_ms + 999) / 1000));
    }
    return response;
}

Limits limits_of(const ApiCore& core) {
    return core.engine == nullptr ? Limits{} : core.engine->policy().limits;
}

Answer no_engine(const ApiCore& core, std::string id) {
    const Problem problem = unavailable(core);
    return {.id = std::move(id),
            .code = problem.code,
            .message = problem.message,
            .reason = problem.reason,
            .retry_after_ms = problem.retry_after_ms};
}

/// The version that If-Match or If-None-Match asks for.
Result<std::optional<std::uint64_t>> precondition(const Request& request) {
    std::string_view match = request.header("if-match");
    const std::string_view none = request.header("if-none-match");
    if (!none.empty()) {
        if (none != "*" || !match.empty()) {
            return Error{Errc::malformed,
                         "If-None-Match takes * (create only), and not beside If-Match"};
        }
        return std::optional<std::uint64_t>(0);
    }
    if (match.empty()) return std::optional<std::uint64_t>();
    if (match.size() >= 2 && match.front() == '"' && match.back() == '"')
        match = match.substr(1, match.size() - 2);
    std::uint64_t version = 0;
    const auto [end, problem] = std::from_chars(match.data(), match.data() + match.size(), version);
    if (problem != std::errc() || end != match.data() + match.size() || version > INT64_MAX)
        return Error{Errc::malformed, "If-Match takes one version in quotes, as ETag shows it"};
    return std::optional(version);
}

/// A model's call that MCP over stdio passes on: recorded as if it had come to the MCP door of this process. Only the
/// operator is believed to say so; of others the header is no header of ours.
std::optional<Problem> read_tool(const Request& request, Caller* caller) {
    const std::string_view tool = request.header("x-via-mcp");
    if (tool.empty() || request.peer.kind != Peer::Kind::socket) return std::nullopt;
    if (tool.size() > kToolBytesMax || !is_utf8(tool))
        return malformed("x-via-mcp is the name of a tool, UTF-8 of at most " +
                             std::to_string(kToolBytesMax) + " bytes",
                         "x-via-mcp");
    caller->door = "mcp";
    JsonObject(caller->cause).text("type", "mcp").text("tool", tool).close();
    return std::nullopt;
}

/// Puts the precondition of the headers into the proposal, as if the client had sent expectedVersion.
Status apply_precondition(Proposal& proposal, std::optional<std::uint64_t> version) {
    if (!version) return Ok{};
    if (proposal.ops.size() != 1)
        return Error{Errc::malformed, "If-Match and If-None-Match need a proposal with one op"};
    auto& expected = proposal.ops.front().expected_version;
    if (expected && *expected != *version)
        return Error{Errc::malformed, "expectedVersion and If-Match or If-None-Match disagree",
                     "/expectedVersion"};
    expected = version;
    if (!proposal.single) {  // its ops are kept as a text: what was asked is to be had back from the record
        auto ops = parse_json(proposal.ops_text, kJsonDepthTrusted);
        SE_ASSERT(ops && ops->is_array() && ops->array().size() == 1);
        ops->array().front().set("expectedVersion", static_cast<std::int64_t>(*version));
        proposal.ops_text = to_text(*ops);
    }
    return Ok{};
}

/// What never took shape: answered, and journaled unless nothing is meant.
void refuse(ApiCore& core, Refusal&& refusal, Caller&& caller, bool dry_run, Engine::Done done) {
    if (core.engine == nullptr) return done(no_engine(core, refusal.id));
    if (!dry_run) return core.engine->refuse(std::move(refusal), std::move(caller), std::move(done));
    done({.id = std::move(refusal.id),
          .dry_run = true,
          .code = refusal.code,
          .message = std::move(refusal.message),
          .pointer = std::move(refusal.pointer)});
}

/// Hands one proposal to the engine, whatever it looks like. `done` is called exactly once.
void propose(ApiCore& core, std::string_view text, Caller&& caller,
             std::optional<std::uint64_t> version, bool dry_run, Engine::Done done) {
    ParsedProposal parsed = parse_proposal(text, limits_of(core));
    if (core.engine == nullptr)
        return done(no_engine(core, parsed.proposal ? parsed.proposal->id : parsed.refusal.id));
    if (parsed.proposal) {
        if (auto ok = apply_precondition(*parsed.proposal, version); !ok) {
            parsed.refusal = {.code = Code::malformed,
                              .message = ok.error().text,
                              .pointer = ok.error().pointer,
                              .id = parsed.proposal->id,
                              .key = parsed.proposal->ops.front().key,
                              .original = readable(text, kOriginalBytes)};
            parsed.proposal.reset();
        }
    }
    if (!parsed.proposal)
        return refuse(core, std::move(parsed.refusal), std::move(caller), dry_run, std::move(done));
    Proposal& proposal = *parsed.proposal;
    attribute({.actor = proposal.actor, .roles = {}}, &caller);
    if (dry_run) return done(core.engine->dry_run(proposal, caller));
    core.engine->submit(std::move(proposal), std::move(caller), std::move(done));
}

/// A line of an import. What never took shape is answered and not journaled: doing an import again
/// must journal nothing.
void take_over(ApiCore& core, std::string_view text, Caller&& caller, Engine::Done done) {
    ParsedImport parsed = parse_import(text, limits_of(core));
    if (core.engine == nullptr)
        return done(no_engine(core, parsed.proposal ? parsed.proposal->id : parsed.refusal.id));
    if (!parsed.proposal)
        return done({.id = std::move(parsed.refusal.id),
                     .code = parsed.refusal.code,
                     .message = std::move(parsed.refusal.message),
                     .pointer = std::move(parsed.refusal.pointer)});
    Caller stands = caller_of_import(parsed, std::move(caller));
    core.engine->submit(*std::move(parsed.proposal), std::move(stands), std::move(done));
}

/// Proposals, one a line, answered one a line in the same order. Lines are taken from the body only as
/// fast as the client reads its answers.
class ProposalLines final : public BodyStream, public std::enable_shared_from_this<ProposalLines> {
public:
    /// What each line is, and what becomes of it.
    using Take = std::function<void(std::string_view line, Caller&& caller, Engine::Done done)>;
    ProposalLines(ApiCore& core, std::string body, Caller caller, Take take)
        : core_(core),
          generation_(core.gate.generation()),
          body_(std::move(body)),
          caller_(std::move(caller)),
          take_(std::move(take)) {}

    void pull(std::string& out, std::size_t bytes_max) override {
        const std::size_t limit = out.size() + bytes_max;
        const std::size_t before = position_;
        do {
            propose_more();
            while (!answers_.empty() && answers_.front().there && out.size() < limit) {
                out += answers_.front().text;
                bytes_ahead_ -= answers_.front().text.size();
                answers_.pop_front();
                ++first_;
            }
        } while (out.size() < limit && position_ < body_.size() && room());
        // A socket that drains pulls at any time, also when nobody is about to let the engine work.
        if (position_ != before && core_.host.tick_within) core_.host.tick_within({});
    }
    bool finished() const override { return position_ >= body_.size() && answers_.empty(); }
    std::size_t bytes_held() const override { return body_.size() + bytes_ahead_; }

private:
    struct Line {
        bool there = false;
        std::string text;
    };

    bool room() const { return answers_.size() < kLinesInFlight && bytes_ahead_ < kAnswerBytesAhead; }

    void propose_more() {
        while (position_ < body_.size() && room()) {
            const std::string_view rest = std::string_view(body_).substr(position_);
            std::string_view line = rest.substr(0, rest.find('\n'));
            position_ += line.size() + 1;
            if (line.ends_with('\r')) line.remove_suffix(1);
            if (line.find_first_not_of(" \t") == line.npos) continue;
            const std::uint64_t number = first_ + answers_.size();
            answers_.emplace_back();
            if (const auto problem = core_.why_over(caller_, generation_)) {
                answered(number, {.code = problem->code, .message = problem->message});
                continue;
            }
            take_(line, Caller(caller_), [weak = weak_from_this(), number](Answer&& answer) {
                if (const auto self = weak.lock()) self->answered(number, answer);
            });
        }
    }

    void answered(std::uint64_t number, const Answer& answer) {
        Line& line = answers_[number - first_];
        append_answer_json(line.text, answer);
        line.text += '\n';
        line.there = true;
        bytes_ahead_ += line.text.size();
        if (number == first_) wake();
    }

    ApiCore& core_;
    const std::uint64_t generation_;  // of those whom the caller was one of when it came
    std::string body_;
    Caller caller_;
    Take take_;
    std::size_t position_ = 0;
    std::uint64_t first_ = 0;  // number of the line that answers_ starts with
    std::deque<Line> answers_;
    std::size_t bytes_ahead_ = 0;
};

}  // namespace

void post_mutations(ApiCore& core, Exchange&& exchange) {
    if (auto known = exchange.query.only({"dryRun"}); !known)
        return reply_problem(exchange.reply, malformed(known.error()));
    SE_OR_REPLY(dry_run, exchange, exchange.query.boolean("dryRun", false));
    SE_OR_REPLY(version, exchange, precondition(exchange.request));

    IdentityClaim claim;
    if (const auto problem = read_claim(exchange.request, limits_of(core), &claim))
        return reply_problem(exchange.reply, *problem);
    attribute(claim, &exchange.caller);
    if (const auto problem = read_tool(exchange.request, &exchange.caller))
        return reply_problem(exchange.reply, *problem);

    const auto answered = [reply = exchange.reply](Answer&& answer) { reply(to_response(answer)); };
    if (!exchange.request.too_large.empty()) {
        Refusal refusal{.code = Code::too_large, .message = std::move(exchange.request.too_large)};
        return refuse(core, std::move(refusal), std::move(exchange.caller), dry_run, answered);
    }
    if (exchange.request.has_type("application/x-ndjson")) {
        if (version) {
            return reply_problem(exchange.reply,
                                 malformed("If-Match and If-None-Match need a single proposal; give "
                                           "each line its expectedVersion"));
        }
        exchange.reply({.content_type = "application/x-ndjson",
                        .stream = std::make_shared<ProposalLines>(
                            core, std::move(exchange.request.body), std::move(exchange.caller),
                            [&core, dry_run](std::string_view line, Caller&& caller,
                                             Engine::Done done) {
                                propose(core, line, std::move(caller), std::nullopt, dry_run,
                                        std::move(done));
                            })});
        return;
    }
    propose(core, exchange.request.body, std::move(exchange.caller), version, dry_run,
            answered);
}

void post_operator_import(ApiCore& core, Exchange&& exchange) {
    if (auto known = exchange.query.only({}); !known)
        return reply_problem(exchange.reply, malformed(known.error()));
    // An import speaks for everybody, of any key.
    if (const auto& rights = exchange.caller.rights;
        rights != nullptr && !(rights->read.matches_all() && rights->write.matches_all() &&
                               rights->speaks_for.matches_all()))
        return reply_problem(exchange.reply,
                             {.status = 403,
                              .code = Code::actor_not_permitted,
                              .message = "an import is for who may read and write every key and speak for everybody"});
    exchange.reply(
        {.content_type = "application/x-ndjson",
         .stream = std::make_shared<ProposalLines>(
             core, std::move(exchange.request.body), std::move(exchange.caller),
             [&core](std::string_view line, Caller&& caller, Engine::Done done) {
                 take_over(core, line, std::move(caller), std::move(done));
             })});
}

}  // namespace se
