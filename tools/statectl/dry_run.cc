// What would be said of a proposal, from the files alone.

#include <map>
#include <unordered_map>

#include "engine/derived.h"
#include "engine/identity.h"
#include "engine/intake/proposal.h"
#include "journal/index_file.h"
#include "journal/store.h"
#include "projection/state_reader.h"
#include "tools/statectl/decider.h"
#include "tools/statectl/door.h"
#include "tools/statectl/journal_search.h"

namespace se::statectl {
namespace {

/// The state of the files, and over it what this dry run has accepted so far.
class DryView final : public View {
public:
    explicit DryView(std::optional<StateReader> reader) : reader_(std::move(reader)) {}

    Result<std::optional<Entry>> get(std::string_view key) override {
        if (const auto found = made_.find(key); found != made_.end())
            return std::optional(found->second);
        if (!reader_) return std::optional<Entry>();
        return reader_->get(key);
    }
    void put(const std::string& key, Entry entry) { made_.insert_or_assign(key, std::move(entry)); }

    const std::optional<StateReader>& reader() const { return reader_; }

private:
    std::optional<StateReader> reader_;  // nothing: there is no store yet
    std::map<std::string, Entry, std::less<>> made_;
};

class FileDryRun final : public DryRun {
public:
    FileDryRun(Context& context, std::optional<StateReader> reader, Policy policy, std::string secret,
               StateReader::AsOf as_of)
        : context_(context),
          view_(std::move(reader)),
          policy_(std::move(policy)),
          secret_(std::move(secret)),
          as_of_(std::move(as_of)),
          principal_("local:" + user_name()) {}

    Seq as_of() const override { return as_of_.seq; }

    Told decide(const std::string& text) override {
        ParsedProposal parsed = parse_proposal(text, policy_.limits);
        if (!parsed.proposal) return told_of_dry(refused(parsed.refusal));
        Answer answer = judge(
            *parsed.proposal,
            {.principal = principal_,
             .actor = parsed.proposal->actor.empty() ? principal_ : parsed.proposal->actor,
             .door = "embedded"});
        return told_of_dry(std::move(answer));
    }

    Told take_over(const std::string& line) override {
        ParsedImport parsed = parse_import(line, policy_.limits);
        if (!parsed.proposal) return told_of_dry(refused(parsed.refusal));
        const Caller caller =
            caller_of_import(parsed, {.principal = principal_, .actor = principal_, .door = ""});
        return told_of_dry(judge(*parsed.proposal, caller));
    }

private:
    static Told told_of_dry(Answer answer) {
        answer.dry_run = true;
        Told told{.answer = std::move(answer), .json = {}};
        append_answer_json(told.json, told.answer);
        return told;
    }
    static Answer refused(const Refusal& refusal) {
        return {.id = refusal.id,
                .code = refusal.code,
                .message = refusal.message,
                .pointer = refusal.pointer};
    }
    static Answer unreadable(const std::string& id, const Error& error) {
        return {.id = id, .code = Code::unavailable, .message = error.text, .reason = "damaged"};
    }

    Answer judge(const Proposal& proposal, const Caller& caller) {
        if (as_of_.damage) {
            return {.id = proposal.id,
                    .code = Code::unavailable,
                    .message = "acknowledged history is damaged: " + se::to_text(*as_of_.damage),
                    .reason = "damaged"};
        }
        Hash16 key = identity_hash(scope_of(caller.door, caller.principal), proposal.id);
        const Hash16 content = content_of(secret_, proposal);
        if (!proposal.id.empty()) {
            auto known = bound_to(key);
            if (known && *known && (*known)->content != content && caller.imported) {
                key = reused_identity({key, content});
                known = bound_to(key);
            }
            if (!known) return unreadable(proposal.id, known.error());
            if (*known) {
                if ((*known)->content == content) return first_outcome(proposal.id, (*known)->seq);
                return {.id = proposal.id,
                        .code = Code::id_reused,
                        .message = "this id belongs to another proposal",
                        .pointer = "/id"};
            }
        }
        if (caller.imported && caller.imported->what == Imported::What::mutation) {
            bound_.insert_or_assign(key, Snapshot::Bound{content, Seq{}});
            return {.id = proposal.id, .status = Answer::Status::accepted};
        }
        auto decision = se::decide(proposal, caller, view_, policy_, context_.clock.wall());
        if (!decision) return unreadable(proposal.id, decision.error());
        if (!proposal.id.empty() && (decision->accepted || binds_identity(decision->code)))
            bound_.insert_or_assign(key, Snapshot::Bound{content, Seq{}});

        Answer answer{.id = proposal.id};
        if (!decision->accepted) {
            answer.code = decision->code;
            answer.message = decision->message;
            if (decision->code == Code::version_conflict || decision->code == Code::basis_conflict)
                add_current(decision->key, &answer);
            return answer;
        }
        answer.status = Answer::Status::accepted;
        DerivedPreview derived;
        if (!decision->fired.empty()) {
            derived = preview_derived(*decision, view_, policy_, "", context_.clock.wall());
            answer.fired = fired_text(decision->fired, {});
            answer.derived = derived.json;
        }
        for (Decision::Change& change : decision->changes) {
            answer.changes.push_back({.key = change.key,
                                      .version = change.entry.version,
                                      .deleted = change.entry.deleted});
            std::string& shown = answer.entries.emplace_back();
            if (change.entry.deleted) {
                shown = "null";
            } else {
                append_entry_json(shown, change.key, change.entry);
            }
            view_.put(change.key, std::move(change.entry));
        }
        for (Decision::Change& change : derived.changes) view_.put(change.key, std::move(change.entry));
        return answer;
    }

    void add_current(const std::string& key, Answer* answer) {
        const auto found = view_.get(key);
        if (!found) return;
        answer->current = "null";
        if (!*found) return;
        if ((*found)->deleted) {
            JsonObject(answer->tombstone.emplace())
                .integer("version", (*found)->version.value)
                .integer("seq", (*found)->seq.value)
                .close();
            return;
        }
        answer->current->clear();
        append_entry_json(*answer->current, key, **found);
    }

    Result<std::optional<Snapshot::Bound>> bound_to(const Hash16& key) {
        if (const auto here = bound_.find(key); here != bound_.end())
            return std::optional(here->second);
        if (!view_.reader()) return std::optional<Snapshot::Bound>();
        return view_.reader()->find_identity(key);
    }

    /// What its record says; of one that this dry run itself decided, only that it is known.
    Answer first_outcome(const std::string& id, Seq seq) {
        Answer answer{.id = id, .status = Answer::Status::accepted};
        if (seq != Seq{}) {
            auto reader = JournalReader::open(context_.files, context_.paths());
            if (!reader) return unreadable(id, reader.error());
            const auto record = reader->at(seq);
            if (!record) return unreadable(id, record.error());
            answer = outcome_of(**record);
        }
        answer.duplicate = true;
        return answer;
    }

    Context& context_;
    DryView view_;
    Policy policy_;
    std::string secret_;
    StateReader::AsOf as_of_;
    std::string principal_;
    std::unordered_map<Hash16, Snapshot::Bound, Hash16Hasher> bound_;
};

}  // namespace

Outcome<std::unique_ptr<DryRun>> DryRun::open(Context& context, Over over) {
    // Beside a daemon that is not what would count, and this says so.
    if (!context.config.empty()) SE_TRY_OK(find_daemon(context));
    SE_TRY(policy, policy_of_config(context));
    std::optional<StateReader> reader;
    std::string secret;
    StateReader::AsOf as_of;
    SE_TRY(exists, context.files.exists(context.paths().store_file()));
    if (exists && over == Over::the_store) {
        SE_TRY(store, read_store(context.files, context.paths()));
        secret = store.secret;
        SE_TRY(opened, StateReader::open({.files = context.files,
                                          .paths = context.paths(),
                                          .cache_files = context.files,
                                          .cache_directory = context.paths().projection()},
                                         {}));
        reader = std::move(opened);
        SE_TRY(reached, reader->refresh());
        as_of = reached;
    }
    if (exists && !policy) {
        auto journaled = policy_in_force(context);
        if (journaled) policy = std::move(*journaled);
        // A store that is not gone on with may be in any state.
        else if (over == Over::the_store) return journaled.error();
    }
    return std::unique_ptr<DryRun>(std::make_unique<FileDryRun>(context, std::move(reader),
                                                                policy.value_or(Policy{}),
                                                                std::move(secret), as_of));
}

}  // namespace se::statectl
