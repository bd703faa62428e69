// firestore import: a first state from what another engine keeps in Firestore, with its log as
// history.

#include "tools/statectl/firestore_import.h"

#include <fmt/format.h>

#include <deque>

#include "engine/firestore/foreign.h"
#include "journal/store.h"
#include "projection/firestore/documents.h"
#include "tools/statectl/firestore_source.h"
#include "tools/statectl/parking.h"
#include "tools/statectl/terminal.h"

namespace se::statectl {
namespace {

using firestore::kLogCollection;
using firestore::kStateCollection;

constexpr std::uint64_t kNamedMax = 1'000;  // of what stays out, one by one; the rest is counted

struct TakeOverOptions {
    FirestorePlace place;
    std::string id, reason;
    bool state_only = false, accept_mirror = false;
    bool force = false, dry_run = false, yes = false;
};

struct TakenOver {
    std::uint64_t documents = 0, imported = 0, already_present = 0;

    void append(JsonObject& json, const std::string& what) const {
        json.integer(what, documents)
            .integer(what + "_imported", imported)
            .integer(what + "_already_present", already_present);
    }
};

/// A document on its way.
struct Asking {
    std::string name;
    bool is_entry = false;
    Json value;  ///< of an entry, to be compared with what is here
};

class FirestoreImport {
public:
    FirestoreImport(Context& context, const TakeOverOptions& options)
        : context_(context), options_(options), progress_("firestore import", 0) {}

    Outcome<int> run() {
        // The log first: what is decided while both are read is then in the state, and at worst its
        // id is not known. The other way round it would be taken for done and be missing.
        std::vector<std::string> collections{std::string(kStateCollection)};
        if (!options_.state_only)
            collections.insert(collections.begin(), std::string(kLogCollection));
        SE_TRY(source, FirestoreSource::open(options_.place, collections));
        source_ = std::move(source);
        SE_TRY_OK(look_at_watermark());
        SE_TRY(ready, open());
        if (!ready) return kOk;
        while (!interrupted()) {
            auto item = source_->next();
            if (!item) return broke_off(item.error());
            if (!*item) break;
            SE_TRY_OK(take(**item));
        }
        if (decider_) SE_TRY_OK(decider_->finish(on_told()));
        progress_.clear();
        SE_TRY(head, close());
        if (undecided_ != 0)
            return Failure(
                kUnavailable,
                fmt::format("{} documents are undecided ({}): run it again", undecided_, why_));
        return report(head);
    }

private:
    /// A project that an engine like this one follows into is a mirror of its journal, and less
    /// than it.
    Outcome<Ok> look_at_watermark() {
        const Json& mark = source_->watermark();
        if (mark.is_null()) return Ok{};
        const std::string whose = cell(mark, "store");
        if (context_.url.empty()) {
            SE_TRY(exists, context_.files.exists(context_.paths().store_file()));
            if (exists && !options_.force) {
                SE_TRY(store, read_store(context_.files, context_.paths()));
                if (store.store == whose)
                    return Failure(
                        kError,
                        fmt::format("{} is the mirror of this very store: its journal has all of "
                                    "that. To write the documents once more: statectl firestore "
                                    "heal",
                                    source_->where()));
            }
        }
        if (options_.accept_mirror) {
            remark(fmt::format(
                "{} is the mirror of store {} up to seq {}: only its documents are taken",
                source_->where(), whose, cell(mark, "seq")));
            return Ok{};
        }
        return Failure(
            kError,
            fmt::format("{} is the mirror of store {} (epoch {}, up to seq {}), and its journal "
                        "is the truth: copy that data folder instead. If it is lost, "
                        "--accept-mirror takes what the documents have",
                        source_->where(), whose, cell(mark, "epoch"), cell(mark, "seq")));
    }

    /// False: a dry run of --force ends here.
    Outcome<bool> open() {
        SE_TRY(exists, context_.files.exists(context_.paths().store_file()));
        if (options_.force && exists) {
            SE_TRY(anew, begin_anew(context_, "firestore import --force", source_->where(),
                                    options_.dry_run, options_.yes));
            decider_ = std::move(anew);
            if (!decider_) complain("dry run: nothing was changed");
        } else if (options_.dry_run) {
            SE_TRY_OK(context_.need_files("firestore import --dry-run"));
            SE_TRY(dry, DryRun::open(context_));
            dry_ = std::move(dry);
        } else {
            SE_TRY(decider, open_decider(context_, Pace::bulk));
            decider_ = std::move(decider);
        }
        if (decider_) decider_->take_imports();
        if (decider_ || dry_) catch_interrupts();
        return decider_ != nullptr || dry_ != nullptr;
    }

    Outcome<Ok> take(FirestoreSource::Item& item) {
        const bool is_entry = item.collection == kStateCollection;
        ++(is_entry ? entries_ : mutations_).documents;
        Asking asking{.name = item.collection + "/" + item.id, .is_entry = is_entry, .value = {}};
        progress_.at(entries_.documents + mutations_.documents,
                     fmt::format("{} entries, {} mutations, {} stay out", entries_.imported,
                                 mutations_.imported, left_out_));
        if (!item.data) {
            leave_out(asking.name, item.bad);
            return Ok{};
        }
        auto line = is_entry ? firestore::import_of_state(source_->where(), item.id, *item.data)
                             : firestore::import_of_mutation(source_->where(), item.id, *item.data);
        if (!line) {
            leave_out(asking.name, line.error().text);
            return Ok{};
        }
        if (const Json* const value = item.data->find("value"); is_entry && value != nullptr)
            asking.value = *value;
        if (dry_) {
            settle(asking, dry_->take_over(*line).answer);
            return Ok{};
        }
        asking_.push_back(std::move(asking));
        return decider_->propose(0, *std::move(line), on_told());
    }

    Decider::OnTold on_told() {
        return [this](std::uint64_t, Told&& told) {
            const Asking asking = std::move(asking_.front());  // in the order of their asking
            asking_.pop_front();
            settle(asking, told.answer);
        };
    }

    void settle(const Asking& asking, const Answer& answer) {
        TakenOver& counts = asking.is_entry ? entries_ : mutations_;
        const bool stands = asking.is_entry && answer.code == Code::version_conflict;
        if (answer.code == Code::unavailable || answer.code == Code::outcome_unknown) {
            ++undecided_;
            why_ = answer.message;
        } else if (answer.duplicate || stands) {
            ++counts.already_present;
            if (stands) compare(asking, answer);
        } else if (answer.seq != Seq{} || answer.status == Answer::Status::accepted) {
            ++counts.imported;  // of a mutation that was refused there, too
        } else {
            leave_out(asking.name, fmt::format("{}: {}", to_text(answer.code), answer.message));
        }
    }

    void compare(const Asking& asking, const Answer& answer) {
        const auto current =
            answer.current ? parse_json(*answer.current, 1000) : Result<Json>(Json());
        const Json* const held = current ? current->find("value") : nullptr;
        if (held != nullptr && *held == asking.value) return;
        ++different_;
        name(asking.name, held == nullptr ? "the key was deleted here; so it stays"
                                          : "the store holds another value of it; it stays");
    }

    void leave_out(const std::string& document, const std::string& why) {
        ++left_out_;
        name(document, "is not imported: " + why);
    }

    void name(const std::string& document, const std::string& what) {
        if (++named_ > kNamedMax) return;
        progress_.clear();
        complain(document + ": " + what);
    }

    /// What is imported so far stands, and is told of in the journal.
    Outcome<int> broke_off(const Failure& failure) {
        if (decider_) {
            SE_TRY_OK(decider_->finish(on_told()));
            SE_TRY_OK(close());
        }
        progress_.clear();
        return Failure(
            failure.exit,
            fmt::format("{} ({} documents were read; run it again, what is imported is known)",
                        failure.text, entries_.documents + mutations_.documents));
    }

    Outcome<Seq> close() {
        if (dry_) return dry_->as_of();
        if (entries_.imported + mutations_.imported != 0) {
            std::string body;
            JsonObject json(body);
            json.text("reason",
                      options_.reason.empty() ? "statectl firestore import" : options_.reason);
            json.text("source", source_->where()).boolean("genesis", true);
            append(json);
            json.close();
            SE_TRY_OK(decider_->note_import(options_.id, body));
        }
        SE_TRY_OK(decider_->close());
        return decider_->head();
    }

    void append(JsonObject& json) const {
        entries_.append(json, "entries");
        mutations_.append(json, "mutations");
        json.integer("different", different_).integer("left_out", left_out_);
    }

    Outcome<int> report(Seq head) {
        std::string text;
        JsonObject json(text);
        append(json);
        json.integer("head", head.value).close();
        if (context_.form() == Form::table) {
            const auto shown = parse_json(text);
            std::vector<std::pair<std::string, std::string>> facts;
            for (const auto& [fact, value] : shown->object())
                facts.emplace_back(fact, to_text(value));
            print_facts(facts);
        } else {
            print(text + "\n");
        }
        if (named_ > kNamedMax) complain(fmt::format("{} more are not named", named_ - kNamedMax));
        if (options_.dry_run) complain("dry run: nothing was changed");
        if (interrupted()) {
            complain("interrupted: the rest was not read; run it again");
            return kError;
        }
        return left_out_ == 0 ? kOk : kDamage;
    }

    Context& context_;
    const TakeOverOptions& options_;
    Progress progress_;
    std::unique_ptr<FirestoreSource> source_;
    std::unique_ptr<Decider> decider_;
    std::unique_ptr<DryRun> dry_;
    std::deque<Asking> asking_;
    TakenOver entries_, mutations_;
    std::uint64_t different_ = 0, left_out_ = 0, undecided_ = 0, named_ = 0;
    std::string why_;
};

Outcome<int> firestore_import(Context& context, const TakeOverOptions& options) {
    return FirestoreImport(context, options).run();
}

}  // namespace

void add_firestore_import(CommandLine& line, CLI::App* firestore) {
    auto options = std::make_shared<TakeOverOptions>();
    CLI::App* command = line.add(
        firestore, "import", "A first state from the documents of another engine, with its log",
        "  statectl firestore import --project my-project --dry-run\n"
        "  FIRESTORE_EMULATOR_HOST=127.0.0.1:8080 statectl firestore import\n"
        "Entries begin at the versions that they have there. Mutations of the log are known from "
        "then on: "
        "who\nsends one again is told what became of it. What is here already stays. Doing it "
        "again "
        "imports what is\nmissing and nothing twice. The exit code is 4 when a document could not "
        "be "
        "imported; each is named.");
    add_place_flags(command, options->place);
    command->add_flag("--state-only", options->state_only, "Leave the log where it is");
    command->add_flag("--accept-mirror", options->accept_mirror,
                      "Of a project that an engine like this one keeps: take the documents");
    command->add_flag("--force", options->force,
                      "Begin anew; the old store is parked, never deleted");
    command->add_option("--reason", options->reason, "Why, for the record")->type_name("TEXT");
    command->add_option("--id", options->id, "A name for this import, for the record")
        ->check(not_empty)
        ->type_name("TEXT");
    command->add_flag("--dry-run", options->dry_run, "Say what would happen; change nothing");
    command->add_flag("--yes", options->yes, "Do not ask before --force parks the store");
    line.on(command, options, firestore_import);
}

}  // namespace se::statectl
