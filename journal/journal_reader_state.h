// Inside the reader: where it stands and what it may show. Nobody else includes this.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "journal/gaps.h"
#include "journal/head_look.h"
#include "journal/journal_reader.h"
#include "journal/marks.h"

namespace se {

struct JournalReader::State {
    State(FileSystem& the_files, StorePaths the_paths)
        : files(the_files), paths(std::move(the_paths)), marks(the_files, paths) {}

    FileSystem& files;
    StorePaths paths;
    std::string store;

    // What may be shown: everything up to HEAD's durable seq, or up to what lines behind HEAD say.
    std::optional<Head> head;
    HeadLook head_look;
    std::optional<Head> superseded;  // a HEAD that turned out to be of an epoch before
    Seq shown_by_lines;
    bool looked_behind_head = false;  // for this very HEAD
    bool was_held = false;            // HEAD, at the last look()
    Seq bound() const { return std::max(head ? head->durable : Seq{}, shown_by_lines); }

    // Where we stand: just behind a record (or a segment's start, at offset 0).
    std::vector<Seq> segments;
    Seq segment;
    std::uint64_t offset = 0;
    bool past_header = false;
    Seq expected{1};
    Epoch epoch;
    Seq wanted{1};  // records and faults before it are passed without a word
    std::shared_ptr<File> file;
    std::optional<SegmentReader> lines;
    std::uint64_t lines_to = 0;  // the end that `lines` was given

    std::optional<Fault> fault;
    Gaps gaps;         // that `repaired` notes account for
    struct Searched {  // all that lies behind this place was asked for `repaired` notes
        std::pair<Seq, std::uint64_t> from;
        std::optional<Head> behind;
    };
    std::optional<Searched> searched;
    Marks marks;

    RecordView record;
    Seq record_segment;
    std::uint64_t record_offset = 0, record_end = 0;

    Seq next_seq() const { return std::max(expected, wanted); }

    // --- what may be shown

    Status read_head_again() {
        SE_TRY(changed, head_look.look(files, paths.head()));
        if (!changed) return Ok{};
        std::optional<Head> now = head_look.head();
        if (now && now->store != store) now.reset();  // another store's proves nothing here
        if (now && now == superseded) now.reset();
        if (now == head) return Ok{};
        head = std::move(now);
        shown_by_lines = {};
        looked_behind_head = false;
        // Read ahead without a bound: what a writer has put there since is not in it.
        if (lines_to == UINT64_MAX) lines.reset();
        return Ok{};
    }

    /// Whether `seq` may be shown, by all there is now. While a living writer holds HEAD it is exact.
    /// Else (a power cut may have left it behind) the lines behind it say more, once: nobody adds to
    /// them. A writer that is opening may cut a torn tail, but only behind all that they say was
    /// synced, and before it adds anything HEAD is another one.
    Result<bool> may_show(Seq seq) {
        if (seq <= bound()) return true;
        SE_TRY_OK(read_head_again());
        if (seq <= bound()) return true;
        SE_TRY_OK(look_behind_head_once());
        return seq <= bound();
    }

    Status look_behind_head_once() {
        if (looked_behind_head) return Ok{};
        SE_TRY(writing, head_is_held(files, paths.head()));
        const bool held_before = std::exchange(was_held, writing);
        if (!writing) return look_behind_head();
        // What was read before the writer had opened is the HEAD that it found.
        return held_before ? Status(Ok{}) : read_head_again();
    }

    Status look_behind_head() {
        SE_TRY_OK(list_again());
        for (const Seq first : segments) {
            if (head && first < head->segment) continue;
            SE_TRY_OK(each_good_line_of(first, head && first == head->segment ? head->end : 0,
                                        [&](const Frame& frame, const Line&) {
                                            shown_by_lines =
                                                std::max(shown_by_lines, frame.durable);
                                            return true;
                                        }));
        }
        looked_behind_head = true;
        return Ok{};
    }

    /// J4: whether there is evidence that `seq`, which should stand where we do, was acknowledged.
    /// HEAD says nothing about what a later epoch wrote anew.
    Result<bool> was_acknowledged(Seq seq) {
        if (head && seq <= head->durable && epoch <= head->epoch) return true;
        SE_TRY(writing, head_is_held(files, paths.head()));
        if (head && seq <= head->durable && !writing) {
            superseded = std::exchange(head, std::nullopt);  // from now on as if it were not there
            looked_behind_head = false;
        }
        if (!looked_behind_head && !writing) SE_TRY_OK(look_behind_head());
        return seq <= shown_by_lines;
    }

    /// Where reading must stop in the segment we stand in. Behind HEAD's end the writer may be at
    /// work.
    std::uint64_t limit() const {
        const bool live_end = head && segment == head->segment && bound() == head->durable;
        return live_end ? head->end : UINT64_MAX;
    }

    // --- reading

    /// Good lines of one segment, whatever lies between them; none when it is gone.
    template <class Visit>
    Status each_good_line_of(Seq first, std::uint64_t from, Visit visit) {
        auto opened = files.open(paths.segment(first), OpenMode::read);
        if (!opened && opened.error().code == Errc::not_found) return Ok{};
        if (!opened) return opened.error();
        return each_good_line(**opened, from, visit);
    }

    // --- where we stand

    Status list_again() {
        SE_TRY(listed, list_segments(files, paths));
        segments = std::move(listed);
        return Ok{};
    }

    void stand(Seq in_segment, std::uint64_t at, Seq seq, Epoch behind_epoch) {
        if (in_segment != segment || fault) file.reset();  // another one may have taken its name: a backup's
        segment = in_segment;
        offset = at;
        expected = seq;
        epoch = behind_epoch;
        past_header = false;
        lines.reset();
        fault.reset();
    }

    /// Opens `lines` where we stand. False when the segment is not there.
    Result<bool> open_lines() {
        if (segment == Seq{}) return false;
        if (!file) {
            auto opened = files.open(paths.segment(segment), OpenMode::read);
            if (!opened && opened.error().code == Errc::not_found) return false;
            if (!opened) return opened.error();
            file = std::move(*opened);
        }
        lines_to = limit();
        SE_TRY(reader, SegmentReader::over(*file, segment, store,
                                           {.offset = offset,
                                            .expected = expected,
                                            .epoch_min = epoch,
                                            .to = lines_to,
                                            .past_header = past_header}));
        lines.emplace(std::move(reader));
        return true;
    }

    // --- gaps

    /// Whether `repaired` notes account for the gap from where we stand up to `next`.
    Result<bool> is_repaired(Seq next) {
        if (gaps.cover(next_seq(), next)) return true;
        SE_TRY_OK(look_for_gaps());
        return gaps.cover(next_seq(), next);
    }
    /// `repaired` notes lie further on than what they tell of.
    Status look_for_gaps() {
        if (searched && searched->behind == head && std::pair(segment, offset) >= searched->from) {
            return Ok{};
        }
        SE_TRY_OK(list_again());
        for (const Seq first : segments) {
            if (first < segment) continue;
            SE_TRY_OK(each_good_line_of(first, first == segment ? offset : 0,
                                        [&](const Frame& frame, const Line& line) {
                                            if (frame.is_note) look_for_gap(line.text);
                                            return true;
                                        }));
        }
        searched = Searched{.from = {segment, offset}, .behind = head};
        return Ok{};
    }
    void look_for_gap(std::string_view line) {
        RecordView note;
        if (!parse_record(line, &note)) return;
        if (const auto gap = gap_noted_by(note)) gaps.add(*gap);
    }

    // --- one step

    enum class Step : std::uint8_t { record, again, not_yet };

    Result<Step> fail(Fault bad) {
        fault = std::move(bad);
        return Error{Errc::corruption, to_text(*fault)};
    }

    /// A bad place is a fault when what should stand there was acknowledged, else it is "not yet".
    Result<Step> judge(Fault bad) {
        bad.seq = gaps.beyond(next_seq());
        SE_TRY(acknowledged, was_acknowledged(bad.seq));
        if (acknowledged) {
            // Perhaps that one was given up, and it is the next that should stand here.
            SE_TRY_OK(look_for_gaps());
            bad.seq = gaps.beyond(bad.seq);
            SE_TRY(really, was_acknowledged(bad.seq));
            acknowledged = really;
        }
        // Lines behind HEAD's end have told of it meanwhile: there it may stand.
        if (acknowledged && lines && lines_to < limit()) {
            lines.reset();
            return Step::again;
        }
        if (acknowledged) return fail(std::move(bad));
        lines.reset();  // looked at again when there is more
        return Step::not_yet;
    }

    /// What `lines` found wrong, or out of place.
    Result<Step> meet(Fault bad, bool skipping) {
        const Seq found = lines->frame().seq;
        if (bad.kind == FaultKind::bad_seq && found > expected) {
            bool passed = skipping || found <= wanted;
            if (!passed) {
                SE_TRY(covered, is_repaired(found));
                passed = covered;
            }
            if (!passed) return judge(std::move(bad));
            lines->resume_at(found);
            return Step::again;
        }
        if (skipping || expected < wanted) return Step::again;
        return judge(std::move(bad));
    }

    /// The end of what `lines` may read.
    Result<Step> turn_page(bool skipping) {
        if (lines && lines_to < limit()) {
            lines.reset();
            return Step::again;
        }
        SE_TRY_OK(list_again());
        Fault missing{.kind = FaultKind::missing_records,
                      .segment = segment,
                      .offset = offset,
                      .seq = expected,
                      .detail = "acknowledged up to " + std::to_string(bound().value)};
        const auto next = std::upper_bound(segments.begin(), segments.end(), segment);
        if (next == segments.end()) {
            if (!skipping) return judge(std::move(missing));
            wanted = bound().next();
            return Step::not_yet;
        }
        const Seq first = *next;
        if (first > expected && !skipping && first > wanted) {
            SE_TRY(covered, is_repaired(first));
            if (!covered) return judge(std::move(missing));
        }
        if (first < expected) {
            if (!skipping) {
                return judge({.kind = FaultKind::bad_header,
                              .segment = first,
                              .offset = 0,
                              .seq = expected,
                              .detail = "the segment begins with a seq that was there before"});
            }
            wanted = std::max(wanted, expected);
        }
        stand(first, 0, first, epoch);
        return Step::again;
    }

    Result<Step> step(bool skipping) {
        SE_TRY(shown, may_show(next_seq()));
        if (!shown) return Step::not_yet;
        if (!lines) {
            SE_TRY(there, open_lines());
            if (!there) return turn_page(skipping);
        }
        SE_TRY(item, lines->next());
        if (!item) return turn_page(skipping);
        if (Fault* const bad = std::get_if<Fault>(&*item)) return meet(std::move(*bad), skipping);
        return take(std::get<Line>(*item), skipping);
    }

    Result<Step> take(const Line& line, bool skipping) {
        const Seq seq = lines->frame().seq;
        if (seq > bound()) {  // behind a gap
            lines.reset();
            return Step::not_yet;
        }
        if (seq >= wanted) {
            const auto parsed = parse_record(line.text, &record);
            if (!parsed && skipping) return Step::again;
            if (!parsed) {
                return judge({.kind = FaultKind::bad_line,
                              .segment = segment,
                              .offset = line.offset,
                              .seq = seq,
                              .detail = parsed.error().text});
            }
            record_segment = segment;
            record_offset = line.offset;
            record_end = lines->end_of_good();
        }
        marks.saw(segment, seq, line.offset);
        offset = lines->end_of_good();
        expected = lines->expected();
        epoch = lines->epoch();
        return seq >= wanted ? Step::record : Step::again;
    }

    // --- seeking

    Status seek(Seq seq) {
        if (head && seq == head->durable.next()) {
            stand(head->segment, head->end, seq, {});
            wanted = seq;
            return Ok{};
        }
        if (segments.empty() || seq >= segments.back()) SE_TRY_OK(list_again());
        const auto behind = std::upper_bound(segments.begin(), segments.end(), seq);
        wanted = std::max(seq, Seq{1});
        if (behind == segments.begin()) {
            stand({}, 0, wanted, {});
            return Ok{};
        }
        const Seq first = *std::prev(behind);
        SE_TRY(mark, marks.before(first, wanted, first != segments.back()));
        stand(first, mark.offset, mark.seq, {});
        return Ok{};
    }

    /// The first good record of a segment.
    Result<std::optional<Frame>> first_of(Seq first) {
        std::optional<Frame> found;
        const auto visit = [&](const Frame& frame, const Line&) {
            found = frame;
            return false;
        };
        SE_TRY_OK(each_good_line_of(first, 0, visit));
        return found;
    }

    /// Where the first epoch above `old` began: the seq of its first record, if it may be shown.
    Result<std::optional<Seq>> begin_of_epoch_after(Epoch old) {
        SE_TRY(writing, head_is_held(files, paths.head()));
        SE_TRY_OK(read_head_again());
        if (writing && head && head->epoch <= old) return std::optional<Seq>{};
        SE_TRY_OK(list_again());
        // Epochs never decrease along the journal: halve the segments, then read one of them.
        std::size_t low = 0, high = segments.size();  // first one that begins above `old`
        while (low < high) {
            const std::size_t middle = (low + high) / 2;
            SE_TRY(frame, first_of(segments[middle]));
            if (frame && frame->epoch <= old) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        std::optional<Seq> found;
        for (std::size_t i = low == 0 ? 0 : low - 1; i < segments.size() && !found; ++i) {
            const auto visit = [&](const Frame& frame, const Line&) {
                if (frame.epoch > old) found = frame.seq;
                return !found.has_value();
            };
            SE_TRY_OK(each_good_line_of(segments[i], 0, visit));
        }
        return found;
    }
};

}  // namespace se
