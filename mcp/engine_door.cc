#include "mcp/engine_door.h"

#include "engine/intake/proposal.h"

namespace se::mcp {

Decided to_decided(const Answer& answer) {
    Decided decided{.status = answer.status, .code = answer.code, .id = answer.id, .json = {}};
    append_answer_json(decided.json, answer);
    return decided;
}

Decided not_decided(std::string id, Code code, std::string_view reason, std::string_view message) {
    constexpr std::uint64_t kRetryAfterMs = 1000;
    return to_decided({.id = std::move(id),
                       .code = code,
                       .message = std::string(message),
                       .reason = std::string(reason),
                       .retry_after_ms = kRetryAfterMs});
}

void EngineDoor::attach(Engine* engine, std::string why) {
    engine_ = engine;
    why_away_ = std::move(why);
    reader_.reset();
    if (engine_ != nullptr) changes_applied();
}

void EngineDoor::changes_applied() {
    if (engine_ == nullptr) return;
    if (const auto& allowed = engine_->policy().allowed_keys; allowed != told_allowed_) {
        const bool first = !told_allowed_;
        told_allowed_ = allowed;
        if (!first) on_policy();
    }
    if (changed_) changed_();
}

Error EngineDoor::away() const { return {Errc::unavailable, "the store is not open: " + why_away_}; }

Result<JournalReader*> EngineDoor::reader() {
    if (!reader_) {
        SE_TRY(opened, JournalReader::open(engine_->files(), engine_->paths()));
        reader_.emplace(std::move(opened));
    }
    engine_->note_damage_below(*reader_);  // of the time before, which whoever reads now forgets
    return &*reader_;
}

Result<StateDoor::AsOf> EngineDoor::refresh() {
    if (engine_ == nullptr) return away();
    const Cursor now = engine_->shown();
    AsOf as_of{.epoch = now.epoch, .seq = now.seq, .why_stale = {}};
    if (engine_->state() == EngineState::damaged) {
        as_of.stale = true;
        as_of.why_stale = engine_->why_not_ready();
    }
    return as_of;
}

Result<std::optional<EntryView>> EngineDoor::get(std::string_view key) {
    if (engine_ == nullptr) return away();
    return engine_->view(key);
}

Result<std::vector<std::pair<std::string, Entry>>> EngineDoor::list(std::string_view prefix,
                                                                    std::string_view after,
                                                                    std::size_t limit) {
    if (engine_ == nullptr) return away();
    return engine_->list(prefix, after, limit);
}

Result<std::vector<Seq>> EngineDoor::history(std::string_view key, Seq before, std::size_t limit) {
    if (engine_ == nullptr) return away();
    return engine_->history(key, before, limit);
}

Status EngineDoor::records(Seq from, const std::function<bool(const RecordView&)>& take) {
    if (engine_ == nullptr) return away();
    if (from > engine_->durable()) return Ok{};
    SE_TRY(journal, reader());
    SE_TRY_OK(journal->seek(from));
    for (;;) {
        SE_TRY(next, journal->next());
        if (next == nullptr || !take(*next)) return Ok{};
    }
}

Status EngineDoor::record(Seq seq, const std::function<void(const RecordView&)>& take) {
    if (engine_ == nullptr) return away();
    SE_TRY(journal, reader());
    SE_TRY(found, journal->at(seq));
    take(*found);
    return Ok{};
}

Result<bool> EngineDoor::is_void(Cursor* cursor) {
    if (engine_ == nullptr) return away();
    return engine_->is_void(cursor);
}

Result<Changes> EngineDoor::changes_since(Cursor* cursor, std::string_view prefix, std::size_t limit) {
    if (engine_ == nullptr) return away();
    return engine_->changes_since(cursor, prefix, limit);
}

std::vector<std::string> EngineDoor::allowed_keys() {
    if (engine_ != nullptr) return engine_->policy().allowed_keys;
    return told_allowed_.value_or(std::vector<std::string>());
}

Limits EngineDoor::limits() { return engine_ == nullptr ? Limits{} : engine_->policy().limits; }

void EngineDoor::propose(Json proposal, Caller caller, bool dry_run, std::function<void(Decided)> done) {
    if (engine_ == nullptr) {
        const Json* id = proposal.find("id");
        return done(not_decided(id != nullptr && id->is_string() ? id->string() : "", Code::unavailable,
                                "draining", "the store is not open: " + why_away_));
    }
    const auto answered = [done](Answer&& answer) { done(to_decided(answer)); };
    ParsedProposal parsed = proposal_of_json(std::move(proposal), engine_->policy().limits);
    if (!parsed.proposal) {
        Refusal& refusal = parsed.refusal;
        if (!dry_run) return engine_->refuse(std::move(refusal), std::move(caller), answered);
        return answered({.id = std::move(refusal.id),
                         .dry_run = true,
                         .code = refusal.code,
                         .message = std::move(refusal.message),
                         .pointer = std::move(refusal.pointer)});
    }
    if (dry_run) return answered(engine_->dry_run(*parsed.proposal, caller));
    engine_->submit(std::move(*parsed.proposal), std::move(caller), answered);
}

}  // namespace se::mcp
