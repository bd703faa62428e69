#include "journal/verify.h"

#include <algorithm>
#include <memory>

#include "journal/erasures.h"
#include "journal/evidence.h"
#include "journal/gaps.h"
#include "journal/head.h"
#include "journal/merkle.h"
#include "journal/scan.h"
#include "journal/store.h"

namespace se {
namespace {

/// A longer gap than this is not filled with lost leaves: only a forged line could make one.
constexpr std::uint64_t kLostLeavesMax = 1u << 24;

/// A bad place, until all evidence is in: from the first thing that is wrong to the next record
/// that the log can go on with.
struct Suspect {
    Fault fault;
    bool only_missing = false;  ///< nothing bad stands there, seqs are just not there
    bool open = true;
    std::uint64_t bad_lines = 0;
    Seq durable_behind;  ///< told by good lines up to the next suspect
    bool displaced = false;  ///< one of them stands behind its place

    Epoch header_epoch;  ///< bad_root only
    Epoch resumes;       ///< of the record that the log goes on with behind it, where it is one that closed it

    // What had been found before it.
    std::uint64_t records = 0;
    Seq last;
    Epoch epoch;
    Hash root{};
};

/// Puts pieces together as one SegmentReader after the other would, but stops at nothing.
class Judge {
public:
    Judge(const std::string& store, const std::vector<ScannedSegment>& segments,
          std::optional<Head> head, std::vector<Evidence> evidence, Gaps gaps, EpochStarts later,
          bool hashes)
        : store_(store),
          segments_(segments),
          head_(std::move(head)),
          evidence_(std::move(evidence)),
          later_(std::move(later)),
          hashes_(hashes),
          gaps_(std::move(gaps)),
          used_(segments.size()) {}

    void take(const ScannedPiece& piece) {
        if (piece.first_of_segment) begin_segment(piece.segment);
        gaps_.add(piece.repaired);
        erasures_.add(piece.erasures);
        for (const ScannedThing& thing : piece.things) {
            std::visit([&](const auto& it) { take(it, piece); }, thing);
        }
    }

    void finish(VerifyReport* report);

    /// Whether a record was taken for history that landed there, as a later run behind it tells: then all
    /// is to be judged once more, by a Judge that knows seen().
    bool misled() const { return misled_; }
    const EpochStarts& seen() const { return seen_; }

private:
    void begin_segment(std::size_t index) {
        if (!segments_.empty() && index > 0) end_segment();
        index_ = index;
        const Seq first = segments_[index].first;
        if (first > expected_ && !is_open()) {
            suspect(FaultKind::missing_records, end_of_good_, {}).only_missing = true;
            if (index > 0) suspects_.back().fault.segment = segments_[index - 1].first;
        } else if (first < expected_) {
            suspect(FaultKind::bad_header, 0,
                    "the segment begins with a seq that was there before");
        }
        if (first != expected_) close(first);
        expected_ = first;
        end_of_good_ = 0;
        header_due_ = true;
    }
    void end_segment() {
        if (!std::exchange(header_due_, false)) return;
        suspect(FaultKind::bad_header, 0, "there is none");
    }

    void take(const ScannedHeader& it, const ScannedPiece&) {
        used_[index_] = it.end;
        if (!std::exchange(header_due_, false)) {
            suspect(FaultKind::bad_line, it.offset, "a header in the middle of a segment");
        } else if (it.header.store != store_) {
            suspect(FaultKind::bad_header, it.offset, "of store " + it.header.store);
        } else if (it.header.first != segments_[index_].first) {
            suspect(FaultKind::bad_header, it.offset, "of another segment");
        } else {
            end_of_good_ = it.end;
            check_root(it);
        }
    }

    void check_root(const ScannedHeader& it) {
        const bool same = !hashes_ || it.header.before == tree_;
        if (same) return;
        // Excused or not, and by what, is known when all notes have been read.
        Suspect& bad =
            suspect(FaultKind::bad_root, it.offset, "the log before it has another root");
        bad.header_epoch = it.header.epoch;
        close(expected_);
        tree_ = it.header.before;
    }

    void take(const ScannedBadLine& it, const ScannedPiece&) {
        used_[index_] = it.end;
        const bool header = std::exchange(header_due_, false);
        const bool no_header = header && it.kind == FaultKind::bad_line;
        Suspect& bad = suspect(no_header ? FaultKind::bad_header : it.kind, it.offset, it.detail);
        bad.durable_behind = std::max(bad.durable_behind, it.durable);
    }

    void take(const ScannedRun& run, const ScannedPiece& piece) {
        used_[index_] = run.end;
        if (std::exchange(header_due_, false)) {
            suspect(FaultKind::bad_header, run.offset, "there is none");
        }
        seen_.saw(run.epoch, run.first);
        if (run.epoch > epoch_ && run.first < expected_) misled_ = true;
        const auto void_from = later_.void_from(run.epoch);
        if (!void_from || *void_from > run.last) return take_kept(run, piece);
        if (*void_from > run.first) {
            ScannedRun before = run;
            before.last = Seq{void_from->value - 1};
            take_kept(before, piece);
        }
        suspect(FaultKind::bad_seq, run.offset,
                "a record of a run that a later one took the place of, from seq " +
                    std::to_string(void_from->value) + " on");
    }

    /// What was given up and still stands there, as when a repair was cut short, is no part of the log.
    void take_kept(ScannedRun run, const ScannedPiece& piece) {
        while (const auto lost = gaps_.first_within(run.first, run.last, run.epoch)) {
            if (*lost > run.first) {
                ScannedRun before = run;
                before.last = Seq{lost->value - 1};
                weigh(before, piece);
            }
            suspect(FaultKind::bad_seq, run.offset,
                    "a record with seq " + std::to_string(lost->value) + ", which was given up");
            const Seq beyond = gaps_.beyond(*lost, run.epoch);
            if (beyond > run.last) return;
            run.leaves += beyond.value - run.first.value;
            run.first = beyond;
        }
        weigh(run, piece);
    }

    void weigh(const ScannedRun& run, const ScannedPiece& piece) {
        if (run.epoch < epoch_) {
            suspect(FaultKind::bad_epoch, run.offset,
                    "epoch " + std::to_string(run.epoch.value) + " behind epoch " +
                        std::to_string(epoch_.value));
        } else if (run.first < expected_) {
            suspect(FaultKind::bad_seq, run.offset,
                    "a record with seq " + std::to_string(run.first.value));
        } else if (run.first > expected_ && !is_open()) {
            suspect(FaultKind::bad_seq, run.offset,
                    "a record with seq " + std::to_string(run.first.value))
                .only_missing = true;
        }
        if (!suspects_.empty()) {
            Suspect& last = suspects_.back();
            last.durable_behind = std::max(last.durable_behind, run.durable);
            last.displaced |= starts_.had_passed(run.epoch, run.first, expected_) && !gaps_.hold(run.first, run.epoch);
        }
        if (run.epoch >= epoch_ && run.last >= expected_) accept(run, piece);
    }

    void accept(const ScannedRun& run, const ScannedPiece& piece) {
        const Seq first = std::max(run.first, expected_);
        if (is_open()) suspects_.back().resumes = run.epoch;
        close(first);
        if (hashes_) {
            const std::size_t begin = run.leaves + (first.value - run.first.value);
            const std::size_t count = run.last.value - first.value + 1;
            for (std::size_t i = begin; i < begin + count; ++i) tree_.append(piece.leaves[i]);
        }
        auto erased = std::ranges::lower_bound(piece.erased, run.offset, {}, &ScannedErased::offset);
        for (; erased != piece.erased.end() && erased->offset < run.end; ++erased) {
            if (erased->seq < first || erased->seq > run.last) continue;
            erased_.push_back(unnamed_erasure(erased->seq, segments_[index_].first, erased->offset));
        }
        starts_.saw(run.epoch, first);
        if (records_ == 0) first_ = first;
        records_ += run.last.value - first.value + 1;
        last_ = run.last;
        expected_ = run.last.next();
        epoch_ = run.epoch;
        end_of_good_ = run.end;
    }

    bool is_open() const { return !suspects_.empty() && suspects_.back().open; }

    /// Opens a bad place here, or widens the one that is open.
    Suspect& suspect(FaultKind kind, std::uint64_t offset, std::string detail) {
        if (!is_open()) {
            Suspect& now = suspects_.emplace_back();
            now.fault = {.kind = kind,
                         .segment = segments_.empty() ? Seq{} : segments_[index_].first,
                         .offset = offset,
                         .seq = expected_,
                         .detail = std::move(detail)};
            now.records = records_;
            now.last = last_;
            now.epoch = epoch_;
            if (hashes_) now.root = tree_.root();
        }
        ++suspects_.back().bad_lines;
        return suspects_.back();
    }

    /// The log goes on with `next`.
    void close(Seq next) {
        if (is_open()) {
            suspects_.back().open = false;
            suspects_.back().fault.last = Seq{next.value - 1};
        }
        if (!hashes_ || next.value - std::min(expected_, next).value > kLostLeavesMax) return;
        for (Seq lost = expected_; lost < next; lost = lost.next()) tree_.append(lost_leaf(lost));
    }

    std::uint64_t torn_bytes(const Suspect& torn) const;
    void tell_unnamed(VerifyReport* report);

    const std::string& store_;
    const std::vector<ScannedSegment>& segments_;
    const std::optional<Head> head_;
    const std::vector<Evidence> evidence_;  // from beside the journal
    const EpochStarts later_;               // of all lines, once they are known
    const bool hashes_;

    Gaps gaps_;
    std::size_t index_ = 0;
    bool header_due_ = false;
    Seq expected_{1};
    Epoch epoch_;
    std::uint64_t end_of_good_ = 0;
    std::uint64_t records_ = 0;
    Seq first_, last_;
    Frontier tree_;
    std::vector<std::uint64_t> used_;  // by segment: behind its last byte that is no blank
    EpochStarts starts_;  // of what is history
    EpochStarts seen_;    // of all good records, wherever they stand
    bool misled_ = false;
    std::vector<Suspect> suspects_;
    Erasures erasures_;
    std::vector<Fault> erased_;  // what is to be said of each, unless a later record names it
};

std::uint64_t Judge::torn_bytes(const Suspect& torn) const {
    std::uint64_t bytes = 0;
    for (std::size_t i = 0; i < segments_.size(); ++i) {
        if (segments_[i].first < torn.fault.segment) continue;
        const std::uint64_t from = segments_[i].first == torn.fault.segment ? torn.fault.offset : 0;
        bytes += used_[i] - std::min(used_[i], from);
    }
    return bytes;
}

void Judge::finish(VerifyReport* report) {
    if (!segments_.empty()) end_segment();
    // The end of the log is one more place to judge: should there be more?
    if (!is_open()) {
        suspect(FaultKind::missing_records, end_of_good_, "the log ends here");
        if (segments_.empty() && head_) suspects_.back().fault.segment = head_->segment;
    }
    // J4: none of it proves anything about what a later epoch wrote anew.
    Seq proven;
    if (head_ && !starts_.void_at(head_->epoch, head_->durable)) proven = head_->durable;
    for (const Evidence& one : evidence_) {
        if (!starts_.void_at(one.epoch, one.seq)) proven = std::max(proven, one.seq);
    }

    report->records = records_;
    report->first = first_;
    report->last = last_;
    if (hashes_) report->root = tree_.root();
    std::vector<Seq> evidence(suspects_.size());  // for each: HEAD's, and all lines' behind it
    Seq behind = proven;
    for (std::size_t i = suspects_.size(); i > 0; --i) {
        behind = std::max(behind, suspects_[i - 1].durable_behind);
        evidence[i - 1] = behind;
        if (i < suspects_.size()) suspects_[i - 1].displaced |= suspects_[i].displaced;
    }
    // What a later run has gone on to within it, behind a restore, is no gap any more: as for the open.
    if (head_) gaps_.forget_around(head_->durable, head_->epoch);
    for (const Suspect& it : suspects_) {
        if (!it.open) gaps_.forget_around(it.fault.last.next(), it.resumes);
    }
    bool tree_is_known = true;  // since the last good header
    for (std::size_t i = 0; i < suspects_.size(); ++i) {
        Suspect& it = suspects_[i];
        if (!it.open && it.fault.last >= it.fault.seq) {
            const Seq lost = std::min(gaps_.beyond(it.fault.seq, it.epoch), it.fault.last.next());
            report->repaired += lost.value - it.fault.seq.value;
            const bool all_given_up = lost > it.fault.last;
            if (it.only_missing && all_given_up) continue;
            // Else more is missing; or something still stands where all was given up, which to give up
            // once more costs nothing.
            if (!all_given_up || it.fault.kind == FaultKind::bad_header) it.fault.seq = lost;
        } else if (it.open && it.fault.kind != FaultKind::bad_header) {
            const Seq lost = gaps_.beyond(it.fault.seq, it.epoch);
            report->repaired += lost.value - it.fault.seq.value;
            it.fault.seq = lost;
        }
        if (it.fault.kind == FaultKind::bad_root &&
            (!std::exchange(tree_is_known, true) ||
             gaps_.excuse_root(it.fault.seq, it.header_epoch))) {
            continue;
        }
        if (it.displaced) evidence[i] = std::max(evidence[i], it.fault.seq);
        if (evidence[i] < it.fault.seq) {
            report->torn_bytes = torn_bytes(it);
            report->records = it.records;
            report->last = it.last;
            report->root = it.root;
            if (it.records == 0) report->first = {};
            break;
        }
        if (it.open) it.fault.last = evidence[i];
        if (it.bad_lines > 1)
            it.fault.detail += " (" + std::to_string(it.bad_lines) + " bad lines)";
        if (it.fault.last >= it.fault.seq) tree_is_known = false;
        report->faults.push_back(std::move(it.fault));
    }
    tell_unnamed(report);
}

/// J7. What is torn is no history: it neither was erased nor names anything.
void Judge::tell_unnamed(VerifyReport* report) {
    const std::size_t others = report->faults.size();
    for (Fault& fault : erased_) {
        if (fault.seq > report->last || erasures_.name(fault.seq, report->last)) continue;
        report->faults.push_back(std::move(fault));
    }
    if (report->faults.size() == others) return;
    std::ranges::stable_sort(report->faults, {}, [](const Fault& fault) {
        return std::pair(fault.segment, fault.offset);
    });
}

/// Beside a living writer only what HEAD vouches for is judged: behind it lines are being written.
/// With none there, all of it is.
Result<std::vector<ScannedSegment>> what_to_read(FileSystem& files, const StorePaths& paths,
                                                 const std::optional<Head>& head, bool writing) {
    SE_TRY(firsts, list_segments(files, paths));
    std::vector<ScannedSegment> segments;
    for (const Seq first : firsts) {
        if (writing && head && first > head->segment) break;
        SE_TRY(file, files.open(paths.segment(first), OpenMode::read));
        SE_TRY(size, file->size());
        const bool bounded = writing && head && first == head->segment;
        segments.push_back({.first = first, .bytes = bounded ? std::min(size, head->end) : size});
    }
    return segments;
}

Result<VerifyReport> verify_once(FileSystem& files, const StorePaths& paths,
                                 const VerifyOptions& options, bool writing) {
    std::string store_file;
    SE_TRY(store, store_id_as_told(files, paths, &store_file));
    // Before HEAD: a living writer's followers are never ahead of it.
    SE_TRY(evidence, read_follower_watermarks(files, paths, store));
    evidence.insert(evidence.end(), options.evidence.begin(), options.evidence.end());
    SE_TRY(head, read_head(files, paths.head()));
    if (head && head->store != store) head.reset();
    SE_TRY(segments, what_to_read(files, paths, head, writing));

    VerifyReport report{.store_file = std::move(store_file)};
    report.segments = segments.size();
    if (head) report.durable = head->durable;
    for (const ScannedSegment& segment : segments) report.bytes += segment.bytes;
    Gaps gaps;  // those whose notes are to come, as the next open believes them
    SE_TRY(quarantine, list_quarantine(files, paths));
    gaps.add(quarantine);
    const auto judged = [&](const EpochStarts& later) -> Result<std::unique_ptr<Judge>> {
        auto judge = std::make_unique<Judge>(store, segments, head, evidence, gaps, later, options.hashes);
        std::uint64_t done = 0;
        SE_TRY_OK(scan_segments(files, paths, segments, options.hashes, options.threads,
                                [&](ScannedPiece&& piece) -> Status {
                                    judge->take(piece);
                                    done += piece.bytes;
                                    if (options.progress) options.progress(done, report.bytes);
                                    return Ok{};
                                }));
        return judge;
    };
    SE_TRY(judge, judged({}));
    if (judge->misled()) {
        SE_TRY(again, judged(judge->seen()));
        judge = std::move(again);
    }
    judge->finish(&report);
    return report;
}

/// Beside a writer. It may erase a record that is still to be read, by a note behind what HEAD vouched for; that
/// note is durable before the record is touched, so a HEAD that is read later has it.
Result<VerifyReport> verify_beside_writer(FileSystem& files, const StorePaths& paths,
                                          const VerifyOptions& options) {
    const auto unnamed = [](const VerifyReport& report, std::optional<Seq> seq) {
        return std::ranges::any_of(report.faults, [&](const Fault& fault) {
            return fault.kind == FaultKind::unnamed_erasure && (!seq || fault.seq == *seq);
        });
    };
    SE_TRY(report, verify_once(files, paths, options, true));
    if (!unnamed(report, {})) return report;
    SE_TRY(again, verify_once(files, paths, options, true));
    std::erase_if(again.faults, [&](const Fault& fault) {
        return fault.kind == FaultKind::unnamed_erasure && !unnamed(report, fault.seq);
    });
    return again;
}

}  // namespace

Result<VerifyReport> verify(FileSystem& files, const StorePaths& paths,
                            const VerifyOptions& options) {
    SE_TRY(writing, head_is_held(files, paths.head()));
    if (writing) return verify_beside_writer(files, paths, options);
    auto report = verify_once(files, paths, options, false);
    // A writer that has begun meanwhile was perhaps seen at work: then it is judged as one that
    // lives.
    SE_TRY(writing_now, head_is_held(files, paths.head()));
    if (!writing_now) return report;
    return verify_beside_writer(files, paths, options);
}

// --- A little at a time

struct SteppedVerify::State {
    FileSystem& files;
    const StorePaths paths;
    const std::string store;
    std::optional<Head> head = {};
    std::vector<Evidence> evidence = {};
    std::vector<ScannedSegment> segments = {};
    Gaps gaps = {};

    std::unique_ptr<Judge> judge = nullptr;
    bool once_more = false;  // by a judge that knows where the epochs begin
    std::size_t index = 0;   // of the segment that comes next, from that offset on
    std::uint64_t offset = 0;
    std::unique_ptr<File> file = nullptr;

    void judge_by(const EpochStarts& later) {
        judge = std::make_unique<Judge>(store, segments, head, evidence, gaps, later, false);
    }
    std::uint64_t end_of(std::uint64_t bytes) const {
        return std::min(offset + bytes, segments[index].bytes);
    }
    Result<ScannedPiece> scan(std::uint64_t to) {
        if (file == nullptr) {
            SE_TRY(opened, files.open(paths.segment(segments[index].first), OpenMode::read));
            file = std::move(opened);
        }
        return scan_piece(*file, index, segments[index].first, offset, to, false);
    }
    void take(const ScannedPiece& piece, std::uint64_t to) {
        judge->take(piece);
        // A line that goes on behind the piece need not be read twice.
        if (!piece.things.empty())
            to = std::max(to, std::visit([](const auto& it) { return it.end; }, piece.things.back()));
        offset = to;
        if (offset < segments[index].bytes) return;
        ++index;
        offset = 0;
        file.reset();
        if (index < segments.size() || !judge->misled() || std::exchange(once_more, true)) return;
        judge_by(judge->seen());
        index = 0;
    }
};

SteppedVerify::SteppedVerify(std::unique_ptr<State> state) : state_(std::move(state)) {}
SteppedVerify::SteppedVerify(SteppedVerify&&) noexcept = default;
SteppedVerify& SteppedVerify::operator=(SteppedVerify&&) noexcept = default;
SteppedVerify::~SteppedVerify() = default;

Result<SteppedVerify> SteppedVerify::begin(FileSystem& files, const StorePaths& paths,
                                           const std::string& store) {
    std::unique_ptr<State> state(new State{.files = files, .paths = paths, .store = store});
    // Before HEAD, as in verify_once().
    SE_TRY(evidence, read_follower_watermarks(files, paths, store));
    state->evidence = std::move(evidence);
    SE_TRY(head, read_head(files, paths.head()));
    if (!head || head->store != store)
        return Error{Errc::unavailable, paths.head() + " does not say what is durable"};
    state->head = std::move(head);
    SE_TRY(segments, what_to_read(files, paths, state->head, true));
    state->segments = std::move(segments);
    SE_TRY(quarantine, list_quarantine(files, paths));
    state->gaps.add(quarantine);
    state->judge_by({});
    return SteppedVerify(std::move(state));
}

bool SteppedVerify::at_end() const { return state_->index == state_->segments.size(); }

Result<std::uint64_t> SteppedVerify::read(std::uint64_t bytes) {
    State& s = *state_;
    SE_ASSERT(!at_end());
    const std::uint64_t from = s.offset, to = s.end_of(bytes);
    const auto piece = s.scan(to);
    if (!piece) {
        s.file.reset();
        return piece.error();
    }
    s.take(*piece, to);
    return piece->read_to - std::min(piece->read_to, from);
}

void SteppedVerify::pass_over(std::uint64_t bytes, const std::string& why) {
    State& s = *state_;
    SE_ASSERT(!at_end());
    const std::uint64_t to = s.end_of(bytes);
    ScannedPiece piece{.segment = s.index, .bytes = to - s.offset};
    piece.first_of_segment = s.offset == 0;
    piece.things.emplace_back(ScannedBadLine{.offset = s.offset, .end = to, .detail = why});
    s.take(piece, to);
}

std::vector<Fault> SteppedVerify::finish() {
    SE_ASSERT(at_end());
    VerifyReport report;
    state_->judge->finish(&report);
    return std::move(report.faults);
}

}  // namespace se
