// import FILE|-: proposals from JSON Lines, in order, as fast as they are decided.

#include <fmt/format.h>

#include <deque>
#include <thread>

#include "journal/base/hash.h"
#include "tools/statectl/commands.h"
#include "tools/statectl/decider.h"
#include "tools/statectl/genesis.h"
#include "tools/statectl/line_source.h"
#include "tools/statectl/terminal.h"

namespace se::statectl {
namespace {

constexpr std::size_t kComplaintsMax = 20;         // lines reported one by one; the rest is counted
constexpr std::chrono::milliseconds kRetryWait{200};

struct ImportOptions {
    std::string file;
    WriteFlags flags;
    bool genesis = false;
    bool force = false;
};

struct ImportCounts {
    std::uint64_t proposals = 0, accepted = 0, rejected = 0, duplicates = 0;

    void append(JsonObject& json) const {
        json.integer("proposals", proposals)
            .integer("accepted", accepted)
            .integer("rejected", rejected)
            .integer("duplicates", duplicates);
    }
};

/// One line on its way. Kept until it is decided, so that it can be asked again.
struct Asked {
    std::uint64_t line = 0;
    std::string text;
    bool too_long = false;
};

class Import {
public:
    Import(Context& context, const ImportOptions& options, LineSource& lines)
        : context_(context),
          options_(options),
          lines_(lines),
          progress_("import", lines.bytes_in_all()) {}

    Outcome<int> run() {
        if (options_.flags.dry_run) {
            SE_TRY_OK(context_.need_files("import --dry-run"));
            return run_dry();
        }
        SE_TRY(decider, open_decider(context_, Pace::bulk));
        decider_ = std::move(decider);
        while (!interrupted()) {
            SE_TRY(line, next());
            if (!line) break;
            SE_TRY_OK(propose(std::move(*line)));
            // Nothing new overtakes what has to be asked again.
            if (!undecided_.empty()) SE_TRY_OK(settle());
        }
        SE_TRY_OK(settle());
        if (counts_.accepted + counts_.rejected != 0)
            SE_TRY_OK(decider_->note_import(options_.flags.id, note()));
        SE_TRY_OK(decider_->close());
        SE_TRY(head, decider_->head());
        return report(head, interrupted() ? "interrupted: the rest was not read; import it again" : "");
    }

private:
    Outcome<std::optional<Asked>> next() {
        SE_TRY(line, lines_.next());
        if (!line) return std::optional<Asked>();
        ++counts_.proposals;
        Asked asked{.line = line->number, .text = std::move(line->text), .too_long = line->too_long};
        if (!asked.too_long) give_id(asked);
        return std::optional(std::move(asked));
    }

    /// A line without an id gets one of its own: from its content and number, so that the same file may be
    /// imported again, and two equal lines are still two proposals.
    void give_id(Asked& asked) const {
        auto json = parse_json(asked.text);
        if (!json || !json->is_object() || json->find("id") != nullptr ||
            json->find("correlationId") != nullptr)
            return;
        const std::string seed = fmt::format("{}\n{}", asked.line, asked.text);
        json->set("id", "import:" + to_hex(sha256(seed)).substr(0, 32));
        asked.text = to_text(*json);
    }

    Outcome<Ok> propose(Asked asked) {
        const auto on_told = [this](std::uint64_t number, Told&& told) { take(number, told); };
        waiting_.push_back(asked);
        const std::uint64_t number = first_waiting_ + waiting_.size() - 1;
        auto sent = asked.too_long
                        ? decider_->refuse(number,
                                           {.code = Code::too_large,
                                            .message = fmt::format("line {} is longer than {} bytes",
                                                                   asked.line,
                                                                   LineSource::kLineBytesMax)},
                                           on_told)
                        : decider_->propose(number, std::move(asked.text), on_told);
        if (!sent) return cut_off(sent.error());
        show_progress();
        return Ok{};
    }

    /// Waits for all answers; asks again what had none for a reason that passes.
    Outcome<Ok> settle() {
        const auto deadline_from_now = [this] { return context_.clock.monotonic() + context_.wait; };
        auto deadline = deadline_from_now();
        for (;;) {
            auto finished =
                decider_->finish([this](std::uint64_t number, Told&& told) { take(number, told); });
            if (!finished) return cut_off(finished.error());
            if (undecided_.empty()) return Ok{};
            if (damaged_ || context_.clock.monotonic() >= deadline || interrupted()) return give_up();
            std::this_thread::sleep_for(kRetryWait);
            std::deque<Asked> again = std::exchange(undecided_, {});
            const std::size_t before = again.size();
            for (Asked& asked : again) SE_TRY_OK(propose(std::move(asked)));
            if (undecided_.size() < before) deadline = deadline_from_now();
        }
    }

    /// Nobody knows what became of the lines on their way; their ids make it safe to ask again.
    Failure cut_off(const Failure& failure) const {
        if (failure.exit != kUnavailable || waiting_.empty()) return failure;
        return Failure(failure.exit, fmt::format("{}; from line {} on nothing is certain: import the file "
                                                 "again, what was decided is not decided twice",
                                                 failure.text, waiting_.front().line));
    }

    Outcome<Ok> give_up() {
        return Failure(damaged_ ? kDamage : kUnavailable,
                       fmt::format("{} lines are undecided ({}), the first is line {}: import the file "
                                   "again later, what was decided is not decided twice",
                                   undecided_.size(), why_undecided_, undecided_.front().line));
    }

    void take(std::uint64_t number, const Told& told) {
        SE_ASSERT(number == first_waiting_ && !waiting_.empty());
        Asked asked = std::move(waiting_.front());
        waiting_.pop_front();
        ++first_waiting_;
        const Answer& answer = told.answer;
        if (answer.code == Code::unavailable || answer.code == Code::outcome_unknown ||
            answer.code == Code::rate_limited) {
            why_undecided_ = fmt::format("{}: {}", to_text(answer.code), answer.message);
            damaged_ = damaged_ || answer.reason == "damaged";
            undecided_.push_back(std::move(asked));
            return;
        }
        count(asked.line, answer);
    }

    void count(std::uint64_t line, const Answer& answer) {
        if (answer.duplicate) {
            ++counts_.duplicates;
        } else if (answer.status == Answer::Status::rejected) {
            ++counts_.rejected;
            const bool no_proposal = answer.code == Code::malformed || answer.code == Code::too_large;
            if (no_proposal && ++complaints_ <= kComplaintsMax) {
                progress_.clear();
                complain(fmt::format("line {}: {}: {}{}", line, to_text(answer.code), answer.message,
                                     answer.pointer.empty() ? "" : " (at " + answer.pointer + ")"));
            }
        } else {
            ++counts_.accepted;
        }
    }

    void show_progress() {
        progress_.at(lines_.bytes_read(),
                     fmt::format("{} proposals, {} accepted, {} rejected, {} duplicates",
                                 counts_.proposals, counts_.accepted, counts_.rejected,
                                 counts_.duplicates));
    }

    Outcome<int> run_dry() {
        SE_TRY(dry, DryRun::open(context_));
        while (!interrupted()) {
            SE_TRY(asked, next());
            if (!asked) break;
            if (asked->too_long) {
                count(asked->line, {.code = Code::too_large,
                                    .message = fmt::format("longer than {} bytes",
                                                           LineSource::kLineBytesMax)});
            } else {
                const Answer answer = dry->decide(asked->text).answer;
                if (answer.code == Code::unavailable)
                    return Failure(exit_code(answer),
                                   fmt::format("line {}: {}", asked->line, answer.message));
                count(asked->line, answer);
            }
            show_progress();
        }
        return report(dry->as_of(), "dry run: nothing was changed");
    }

    std::string note() const {
        std::string body;
        JsonObject json(body);
        json.text("reason", options_.flags.reason.empty() ? "statectl import" : options_.flags.reason);
        json.text("source", options_.file == "-" ? "stdin" : options_.file);
        counts_.append(json);
        json.close();
        return body;
    }

    Outcome<int> report(Seq head, const std::string& remark_text) {
        progress_.clear();
        if (complaints_ > kComplaintsMax)
            complain(fmt::format("{} more lines are no proposals", complaints_ - kComplaintsMax));
        if (context_.form() == Form::table) {
            print_facts({{"proposals", std::to_string(counts_.proposals)},
                         {"accepted", std::to_string(counts_.accepted)},
                         {"rejected", std::to_string(counts_.rejected)},
                         {"duplicates", std::to_string(counts_.duplicates)},
                         {"head", std::to_string(head.value)}});
        } else {
            std::string text;
            JsonObject json(text);
            counts_.append(json);
            json.integer("head", head.value).close();
            print(text + "\n");
        }
        if (!remark_text.empty()) complain(remark_text);
        return interrupted() ? kError : kOk;
    }

    Context& context_;
    const ImportOptions& options_;
    LineSource& lines_;
    Progress progress_;
    std::unique_ptr<Decider> decider_;
    std::deque<Asked> waiting_;         // proposed and not told
    std::uint64_t first_waiting_ = 0;   // number of the first of them
    std::deque<Asked> undecided_;       // told that nobody could decide now
    std::string why_undecided_;
    bool damaged_ = false;              // asking again does not mend that
    ImportCounts counts_;
    std::size_t complaints_ = 0;
};

Outcome<int> import(Context& context, const ImportOptions& options) {
    if (options.genesis) {
        return genesis(context, {.folder = options.file,
                                 .id = options.flags.id,
                                 .reason = options.flags.reason,
                                 .force = options.force,
                                 .dry_run = options.flags.dry_run,
                                 .yes = options.flags.yes});
    }
    if (options.force) return Failure(kUsage, "--force belongs to --genesis");
    SE_TRY(lines, LineSource::open(context, options.file));
    catch_interrupts();
    return Import(context, options, *lines).run();
}

}  // namespace

void add_importing(CommandLine& line) {
    auto options = std::make_shared<ImportOptions>();
    CLI::App* command = line.add(
        &line.app, "import", "Propose what a file holds, line by line; or make a first state",
        "  statectl import proposals.jsonl.gz\n"
        "  zcat old.gz | jq -c '{op,key,value,reason}' | statectl import -\n"
        "  statectl import --genesis ./entities --dry-run\n"
        "FILE has one proposal a line, plain, gzip or zstd. Rejections are counted; the exit code is 0 "
        "when\nall were decided. The same file may be imported again: what was decided is a duplicate.\n"
        "--genesis takes a folder with a file <key>.json for each key; what is there already stays.");
    command->add_option("FILE", options->file, "The file (- is stdin), or the folder of --genesis")
        ->required();
    command->add_flag("--genesis", options->genesis, "FILE is a folder of <key>.json files");
    command->add_flag("--force", options->force,
                      "With --genesis: begin anew; the old store is parked, never deleted");
    command->add_option("--reason", options->flags.reason, "Why, for the record")->type_name("TEXT");
    command->add_option("--id", options->flags.id, "A name for this import, for the record")
        ->check(not_empty)
        ->type_name("TEXT");
    command->add_flag("--dry-run", options->flags.dry_run, "Say what would happen; change nothing");
    command->add_flag("--yes", options->flags.yes, "Do not ask before --force parks the store");
    line.on(command, options, import);
}

}  // namespace se::statectl
