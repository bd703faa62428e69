#include "engine/opening.h"

#include <algorithm>
#include <utility>

#include "journal/gaps.h"
#include "journal/index_file.h"
#include "journal/journal_reader.h"
#include "journal/run_settings.h"
#include "journal/segment.h"

namespace se {
namespace {

constexpr std::size_t kBatchRecords = 4096;
constexpr std::size_t kBatchBytes = 4u << 20;
constexpr std::size_t kPolicyDepth = 1000;

Result<Policy> policy_of(const RecordView& record) {
    const auto refuse = [&](const Error& why) {
        // What was journaled cannot be mended by whoever opens: it is damage, or of a newer version.
        const Errc code = why.code == Errc::malformed ? Errc::corruption : why.code;
        return Error{code, "the policy journaled at seq " + std::to_string(record.seq.value) + ": " +
                               why.text};
    };
    const auto body = parse_json(record.body, kPolicyDepth);
    if (!body) return refuse(body.error());
    auto policy = Policy::from_json(*body);
    if (!policy) return refuse(policy.error());
    return policy;
}

/// Folds what a Journal::open shows into the projection: as one sorted load when it grows anew, else in
/// batches.
class OpeningFold {
public:
    OpeningFold(Projection& projection, bool anew, std::uint64_t waiting_bytes_max)
        : projection_(projection),
          anew_(anew),
          waiting_bytes_max_(waiting_bytes_max),
          behind_(anew ? Position{} : projection.watermark()) {}

    Status visit(const RecordView& record, const Position& behind) {
        if (record.kind == Kind::config) {
            SE_TRY(policy, policy_of(record));
            policy_ = std::move(policy);
            config_seq_ = record.seq;
        }
        behind_ = behind;
        if (anew_) return projection_.add_bulk(record);
        lines_.emplace_back(record.line);
        bytes_ += record.line.size();
        batch_bytes_ += record.line.size();
        if (++batch_ < kBatchRecords && batch_bytes_ < kBatchBytes) return Ok{};
        return fold_batch();
    }

    Status end() {
        if (anew_) return projection_.end_bulk(behind_);
        return fold_batch();
    }

    /// The projection is not the fold of what came before.
    bool contradicted() const { return refused_ && refused_->code == Errc::corruption; }

    void give(Opened* opened) {
        opened->behind = behind_;
        opened->policy = std::move(policy_);
        opened->config_seq = config_seq_;
        opened->unprojected = std::move(lines_);
    }

private:
    /// LMDB saying no (a full disk) must not keep the store from opening: the engine's overlay can hold
    /// what is missing, up to its limit.
    Status fold_batch() {
        batch_ = 0;
        batch_bytes_ = 0;
        if (lines_.empty()) return Ok{};
        Status folded = Error{Errc::unavailable, ""};
        if (!refused_) folded = apply();
        if (folded) {
            lines_.clear();
            bytes_ = 0;
            return Ok{};
        }
        if (!refused_) refused_ = folded.error();
        if (refused_->code == Errc::corruption || bytes_ > waiting_bytes_max_) return *refused_;
        return Ok{};
    }

    Status apply() {
        views_.resize(lines_.size());
        pointers_.clear();
        for (std::size_t i = 0; i < lines_.size(); ++i) {
            SE_TRY_OK(parse_record(lines_[i], &views_[i]));
            pointers_.push_back(&views_[i]);
        }
        return projection_.apply(pointers_, behind_);
    }

    Projection& projection_;
    const bool anew_;
    const std::uint64_t waiting_bytes_max_;
    Position behind_;
    std::optional<Policy> policy_;
    Seq config_seq_;
    std::vector<std::string> lines_;  // not folded yet
    std::uint64_t bytes_ = 0;         // of lines_
    std::size_t batch_ = 0, batch_bytes_ = 0;
    std::optional<Error> refused_;
    std::vector<RecordView> views_;
    std::vector<const RecordView*> pointers_;
};

// --- The policy in force, when no record behind the watermark says it.

/// The last `config` record of one segment; 0: there is none.
Result<Seq> last_config_in(FileSystem& files, const StorePaths& paths, Seq first,
                           const std::string& store, Seq through) {
    Seq found;
    if (const auto index = read_index(files, paths, first)) {
        for (const IndexEntry& entry : index->entries) {
            if (entry.kind == Kind::config && entry.seq <= through) found = entry.seq;
        }
        return found;
    }
    SE_TRY(reader, SegmentReader::open(files, paths, first, store, {}));
    RecordView record;
    for (;;) {
        SE_TRY(item, reader.next());
        if (!item) return found;
        const auto* line = std::get_if<Line>(&*item);
        if (line == nullptr) {  // damage above the watermark or below is told by others
            reader.resume_at(std::max(reader.frame().seq, reader.expected()));
            continue;
        }
        if (reader.frame().seq > through) return found;
        // Nearly all lines are no config; a text inside one that looks so is sorted out by parsing.
        if (line->text.find("\"kind\":\"config\"") == std::string_view::npos) continue;
        SE_TRY_OK(parse_record(line->text, &record));
        if (record.kind == Kind::config) found = record.seq;
    }
}

/// Whether a repair gave that record up: its quarantine file says so, or the gap that its note explains.
Result<bool> was_given_up(FileSystem& files, const StorePaths& paths, JournalReader& reader,
                          Seq seq) {
    Gaps gaps;
    SE_TRY(quarantine, list_quarantine(files, paths));
    gaps.add(quarantine);
    if (gaps.beyond(seq) != seq) return true;
    return reader.gave_up(seq);
}

Result<Seq> last_config(FileSystem& files, const StorePaths& paths, JournalReader& reader,
                        const std::string& store, Seq through) {
    // After a clean close the last record knows.
    if (const auto last = reader.at(through); last && (*last)->note == "closed") {
        const auto body = parse_json((*last)->body);
        const Json* config = body ? body->find("config") : nullptr;
        if (config != nullptr && config->is_integer() && config->integer() > 0) {
            const Seq named{static_cast<std::uint64_t>(config->integer())};
            SE_TRY(lost, was_given_up(files, paths, reader, named));
            if (!lost) return named;
        }
    }
    SE_TRY(segments, list_segments(files, paths));
    for (auto first = segments.rbegin(); first != segments.rend(); ++first) {
        if (*first > through) continue;
        SE_TRY(found, last_config_in(files, paths, *first, store, through));
        if (found != Seq{}) return found;
    }
    return Seq{};
}

Status find_policy(const Engine::Doors& doors, const std::string& store, Opened* opened) {
    SE_TRY(reader, JournalReader::open(doors.files, opened->paths));
    SE_TRY(seq, last_config(doors.files, opened->paths, reader, store, opened->behind.seq));
    if (seq == Seq{}) return Ok{};
    SE_TRY(record, reader.at(seq));
    if (record->kind != Kind::config) {
        return Error{Errc::corruption,
                     "journal: the record at seq " + std::to_string(seq.value) + " is no config"};
    }
    SE_TRY(policy, policy_of(*record));
    opened->policy = std::move(policy);
    opened->config_seq = seq;
    return Ok{};
}

/// The journal's settings, with what nobody set as the last run had it.
Result<JournalOptions> journal_options_of(FileSystem& files, const StorePaths& paths,
                                          const Settings& settings) {
    JournalOptions options = settings.journal;
    const Settings::AsLastRun& wanted = settings.as_last_run;
    if (!wanted.align && !wanted.disk_reserve) return options;
    SE_TRY(told, settings_of_last_run(files, paths));
    if (!told) return options;
    if (wanted.align) options.align_bytes = told->align_bytes;
    if (wanted.disk_reserve) options.disk_reserve_bytes = told->disk_reserve_bytes;
    return options;
}

}  // namespace

std::string closed_body(Seq config_seq, const JournalOptions& options) {
    Json body = Json(Json::Object{});
    if (config_seq != Seq{}) body.set("config", static_cast<std::int64_t>(config_seq.value));
    tell_run_settings(run_settings_of(options), &body);
    return to_text(body);
}

Result<Opened> open_store(const Engine::Doors& doors, const Settings& settings) {
    Opened opened;
    opened.paths = StorePaths{settings.data};
    SE_TRY(hold, hold_store(doors.files, doors.random, opened.paths));
    opened.hold = std::move(hold);
    // Under the lock: what the notes say stays so until we write.
    SE_TRY(options, journal_options_of(doors.files, opened.paths, settings));
    opened.journal_options = options;
    const ProjectionPlace place{
        .files = doors.files,
        .paths = opened.paths,
        .cache_files = doors.cache_files,
        .cache_directory = doors.cache_directory.empty() ? opened.paths.projection()
                                                         : doors.cache_directory,
    };
    SE_TRY(projection, Projection::open(place, opened.hold.info, settings.projection, doors.log));
    opened.projection = std::move(projection);
    SE_TRY(evidence,
           read_follower_watermarks(doors.files, opened.paths, opened.hold.info.store));

    // At most twice: once a trusted projection turns out to be of another history.
    for (bool anew = !opened.projection->trusted();; anew = true) {
        const Position from = anew ? Position{} : opened.projection->watermark();
        if (anew) SE_TRY_OK(opened.projection->regrow());
        OpeningFold fold(*opened.projection, anew, settings.engine.overlay_bytes);
        auto journal = Journal::open(
            {doors.files, doors.clock, doors.random, doors.log, doors.commits, doors.background},
            opened.paths, opened.hold, opened.journal_options, from, evidence,
            [&](const RecordView& record, const Position& behind) {
                return fold.visit(record, behind);
            });
        const Status folded = journal ? fold.end() : Status(journal.error());
        if (folded) {
            opened.journal = *std::move(journal);
            fold.give(&opened);
            break;
        }
        const bool other_history = !journal && folded.error().code == Errc::malformed;
        if (anew || from.seq == Seq{} || (!other_history && !fold.contradicted())) {
            return folded.error();
        }
        opened.projection->distrust(folded.error().text);
    }
    if (opened.config_seq == Seq{} && opened.behind.seq != Seq{}) {
        SE_TRY_OK(find_policy(doors, opened.hold.info.store, &opened));
    }
    return opened;
}

}  // namespace se
