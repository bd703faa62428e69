#include "tools/statectl/decider.h"

#include <fmt/format.h>

#include <deque>

#include "engine/intake/proposal.h"

namespace se::statectl {
namespace {

constexpr std::size_t kBodyBytes = 4u << 20;      ///< of lines sent at once
constexpr std::size_t kInFlight = 8192;           ///< proposals in the engine at once
constexpr std::size_t kInFlightBytes = 16u << 20;
constexpr std::chrono::minutes kAnswerPatience{2};

Told told_of(Answer&& answer) {
    Told told{.answer = std::move(answer), .json = {}};
    append_answer_json(told.json, told.answer);
    return told;
}

Answer answer_of_refusal(const Refusal& refusal) {
    return {.id = refusal.id,
            .code = refusal.code,
            .message = refusal.message,
            .pointer = refusal.pointer};
}

class DaemonDecider final : public Decider {
public:
    explicit DaemonDecider(Door door) : door_(std::move(door)) {}

    Outcome<Told> decide(const std::string& proposal) override {
        const auto in_doubt = [&](const Failure& failure) {
            const auto json = parse_json(proposal);
            return Failure(kUnavailable,
                           fmt::format("{}; it may have happened or not: run it again with --id {}",
                                       failure.text, json ? cell(*json, "id") : "…"));
        };
        auto reply = door_.post("/v1/mutations", proposal);
        if (!reply) return in_doubt(reply.error());
        const auto told = told_from_json(reply->body);
        if (told) return told;
        // Without a status it is no answer about a proposal: the door itself said no, or a proxy before it.
        const Failure failure = failure_of(*reply);
        return of_a_proxy(*reply) ? in_doubt(failure) : failure;
    }

    Outcome<Ok> propose(std::uint64_t number, std::string line, const OnTold& on_told) override {
        if (body_.size() + line.size() >= kBodyBytes) SE_TRY_OK(finish(on_told));
        body_ += line;
        body_ += '\n';
        waiting_.push_back(number);
        return Ok{};
    }

    Outcome<Ok> refuse(std::uint64_t number, Refusal refusal, const OnTold& on_told) override {
        // The door refuses and journals what is no JSON: a control byte makes sure of that.
        return propose(number, "\x01 " + refusal.message, on_told);
    }

    Outcome<Ok> finish(const OnTold& on_told) override {
        if (waiting_.empty()) return Ok{};
        std::string rest;
        std::optional<Failure> broken;
        const auto take = [&](std::string_view piece) {
            rest += piece;
            std::size_t from = 0;
            for (std::size_t end; (end = rest.find('\n', from)) != rest.npos; from = end + 1) {
                auto told = told_from_json(rest.substr(from, end - from));
                if (!told || waiting_.empty()) {
                    broken = Failure(kError, "the daemon's answers do not match what was sent");
                    return false;
                }
                const std::uint64_t number = waiting_.front();
                waiting_.pop_front();
                on_told(number, std::move(*told));
            }
            rest.erase(0, from);
            return true;
        };
        SE_TRY(reply, door_.stream({.method = "POST",
                                    .target = imports_ ? "/v1/operator/import" : "/v1/mutations",
                                    .headers = {{"Content-Type", "application/x-ndjson"}},
                                    .body = std::exchange(body_, {})},
                                   kAnswerPatience, take));
        if (broken) return *broken;
        if (reply.status != 200) return failure_of(reply);
        if (!waiting_.empty())
            return Failure(kUnavailable, "the daemon hung up before it had answered everything");
        return Ok{};
    }

    Outcome<Ok> note_import(const std::string& id, const std::string& body_json) override {
        if (!door_.local()) return Ok{};  // an operator's action: the network door has no such route
        std::string text;
        JsonObject json(text);
        json.text("note", "imported").raw("body", body_json);
        if (!id.empty()) json.text("id", id);
        json.close();
        SE_TRY_OK(body_of(door_.post("/v1/operator/note", text)));
        return Ok{};
    }

    Outcome<Ok> close() override { return Ok{}; }

    Outcome<Seq> head() override {
        SE_TRY(body, body_of(door_.get("/v1/state?limit=1")));
        const auto json = parse_json(body, 1000);
        const Json* const as_of = json ? json->find("asOf") : nullptr;
        const Json* const seq = as_of == nullptr ? nullptr : as_of->find("seq");
        if (seq == nullptr || !seq->is_integer())
            return Failure(kError, "the daemon does not say as of which seq its state is");
        return Seq{static_cast<std::uint64_t>(seq->integer())};
    }

private:
    Door door_;
    std::string body_;
    std::deque<std::uint64_t> waiting_;
};

class EmbeddedDecider final : public Decider {
public:
    EmbeddedDecider(std::unique_ptr<EmbeddedEngine> embedded, Context& context)
        : embedded_(std::move(embedded)), context_(context) {}

    Outcome<Told> decide(const std::string& proposal) override {
        std::optional<Told> told;
        SE_TRY_OK(submit(proposal, "embedded",
                         [&](Answer&& answer) { told = told_of(std::move(answer)); }));
        embedded_->run_until([&] { return told.has_value(); });
        return std::move(*told);
    }

    Outcome<Ok> propose(std::uint64_t number, std::string line, const OnTold& on_told) override {
        make_room(on_told);
        Slot& slot = add(number, line.size());
        return submit(line, "import", [&slot](Answer&& answer) { slot.told = told_of(std::move(answer)); });
    }

    Outcome<Ok> refuse(std::uint64_t number, Refusal refusal, const OnTold& on_told) override {
        make_room(on_told);
        Slot& slot = add(number, refusal.message.size());
        embedded_->engine().refuse(
            std::move(refusal), embedded_->caller("", "import"),
            [&slot](Answer&& answer) { slot.told = told_of(std::move(answer)); });
        return Ok{};
    }

    Outcome<Ok> finish(const OnTold& on_told) override {
        while (!slots_.empty()) {
            embedded_->run_until([&] { return slots_.front().told.has_value(); });
            tell(on_told);
        }
        return Ok{};
    }

    Outcome<Ok> note_import(const std::string& id, const std::string& body_json) override {
        std::optional<Result<Seq>> seq;
        embedded_->engine().note("imported", body_json, embedded_->caller("", "import"),
                                 [&](Result<Seq> told) { seq = std::move(told); }, {.id = id});
        embedded_->run_until([&] { return seq.has_value(); });
        if (!*seq) return seq->error();
        return Ok{};
    }

    Outcome<Ok> close() override {
        SE_TRY_OK(embedded_->close());
        return Ok{};
    }

    Outcome<Seq> head() override {
        SE_TRY(head, read_head(context_.files, context_.paths().head()));
        return head ? head->durable : Seq{};
    }

private:
    struct Slot {
        std::uint64_t number = 0;
        std::size_t bytes = 0;
        std::optional<Told> told;
    };

    Outcome<Ok> submit(const std::string& line, std::string_view door, Engine::Done done) {
        Engine& engine = embedded_->engine();
        if (imports_) return take_over(line, std::move(done));
        ParsedProposal parsed = parse_proposal(line, engine.policy().limits);
        if (!parsed.proposal) {
            engine.refuse(std::move(parsed.refusal), embedded_->caller("", door), std::move(done));
        } else {
            Caller caller = embedded_->caller(parsed.proposal->actor, door);
            engine.submit(std::move(*parsed.proposal), std::move(caller), std::move(done));
        }
        return Ok{};
    }

    Outcome<Ok> take_over(const std::string& line, Engine::Done done) {
        Engine& engine = embedded_->engine();
        ParsedImport parsed = parse_import(line, engine.policy().limits);
        if (!parsed.proposal) {
            // Not journaled: doing an import again must journal nothing.
            done(answer_of_refusal(parsed.refusal));
            return Ok{};
        }
        Caller caller = caller_of_import(parsed, embedded_->caller(""));
        engine.submit(*std::move(parsed.proposal), std::move(caller), std::move(done));
        return Ok{};
    }

    Slot& add(std::uint64_t number, std::size_t bytes) {
        bytes_ += bytes;
        return slots_.emplace_back(Slot{.number = number, .bytes = bytes, .told = {}});
    }

    void make_room(const OnTold& on_told) {
        if (slots_.size() < kInFlight && bytes_ < kInFlightBytes) return;
        // Half of it is enough: then there is always something to decide while the disk works.
        while (slots_.size() > kInFlight / 2 || bytes_ > kInFlightBytes / 2) {
            embedded_->run_until([&] { return slots_.front().told.has_value(); });
            tell(on_told);
        }
    }

    void tell(const OnTold& on_told) {
        while (!slots_.empty() && slots_.front().told) {
            Slot slot = std::move(slots_.front());
            slots_.pop_front();
            bytes_ -= slot.bytes;
            on_told(slot.number, std::move(*slot.told));
        }
    }

    std::unique_ptr<EmbeddedEngine> embedded_;
    Context& context_;
    std::deque<Slot> slots_;  // a deque: pushing at its ends moves nothing
    std::size_t bytes_ = 0;
};

}  // namespace

std::unique_ptr<Decider> decider_over(std::unique_ptr<EmbeddedEngine> engine, Context& context) {
    return std::make_unique<EmbeddedDecider>(std::move(engine), context);
}

Outcome<std::unique_ptr<Decider>> open_decider(Context& context, Pace pace) {
    std::optional<Door> door;
    std::optional<Failure> failure;
    const auto daemon_answers = [&] {
        auto found = find_daemon(context);
        if (!found) failure = found.error();
        if (found) door = std::move(*found);
        return failure || door;
    };
    // Before the policy file is read: with a daemon here, naming one is the mistake to speak of.
    if (!daemon_answers()) {
        SE_TRY(policy, policy_of_config(context));
        SE_TRY(engine, open_waiting(context, std::move(policy), pace, daemon_answers));
        if (engine) return decider_over(std::move(engine), context);
    }
    if (failure) return *failure;
    return std::unique_ptr<Decider>(std::make_unique<DaemonDecider>(std::move(*door)));
}

Outcome<Told> told_from_json(std::string text) {
    while (text.ends_with('\n')) text.pop_back();
    const auto json = parse_json(text, 1000);
    const Json* const status = json ? json->find("status") : nullptr;
    if (status == nullptr || !status->is_string())
        return Failure(kError, "this is no answer about a proposal: " + text.substr(0, 200));
    Told told;
    Answer& answer = told.answer;
    answer.status = status->string() == "accepted"  ? Answer::Status::accepted
                    : status->string() == "pending" ? Answer::Status::pending
                                                    : Answer::Status::rejected;
    const auto text_of = [&](std::string_view name) {
        const Json* const found = json->find(name);
        return found != nullptr && found->is_string() ? found->string() : std::string();
    };
    const auto number_of = [](const Json& object, std::string_view name) {
        const Json* const found = object.find(name);
        return found != nullptr && found->is_integer() ? static_cast<std::uint64_t>(found->integer()) : 0;
    };
    const auto flag_of = [](const Json& object, std::string_view name) {
        const Json* const found = object.find(name);
        return found != nullptr && found->is_bool() && found->boolean();
    };
    answer.id = text_of("id");
    answer.duplicate = flag_of(*json, "duplicate");
    answer.dry_run = flag_of(*json, "dryRun");
    answer.in_doubt = flag_of(*json, "inDoubt");
    answer.seq = {number_of(*json, "seq")};
    answer.epoch = {number_of(*json, "epoch")};
    answer.code = code_from_text(text_of("code")).value_or(Code::none);
    answer.message = text_of("message");
    answer.reason = text_of("reason");
    answer.pointer = text_of("pointer");
    if (const std::uint64_t wait = number_of(*json, "retryAfterMs"); wait != 0)
        answer.retry_after_ms = wait;
    if (const Json* const changes = json->find("changes"); changes != nullptr && changes->is_array()) {
        for (const Json& change : changes->array()) {
            answer.changes.push_back({.key = cell(change, "key"),
                                      .version = {number_of(change, "version")},
                                      .deleted = flag_of(change, "deleted")});
        }
    }
    if (const Json* const current = json->find("current")) answer.current = to_text(*current);
    if (const Json* const gone = json->find("tombstone")) answer.tombstone = to_text(*gone);
    if (const Json* const entries = json->find("entries"); entries != nullptr && entries->is_array()) {
        for (const Json& entry : entries->array()) answer.entries.push_back(to_text(entry));
    }
    told.json = std::move(text);
    return told;
}

Outcome<Told> propose_once(Context& context, const std::string& proposal, bool dry_run) {
    if (!dry_run) {
        SE_TRY(decider, open_decider(context, Pace::single));
        auto told = decider->decide(proposal);
        // What was answered stands, whatever closing says; but trouble there has to be heard of.
        if (auto closed = decider->close(); told && !closed) return closed.error();
        return told;
    }
    SE_TRY(door, find_daemon(context));
    if (door) {
        SE_TRY(reply, door->post("/v1/mutations?dryRun=true", proposal));
        auto told = told_from_json(reply.body);
        if (!told) return failure_of(reply);
        return told;
    }
    SE_TRY(dry, DryRun::open(context));
    return dry->decide(proposal);
}

}  // namespace se::statectl
