#include "journal/recovery.h"

#include <algorithm>
#include <utility>

#include "journal/base/hash.h"
#include "journal/repair.h"

namespace se {

Result<Recovery::Output> Recovery::run(const Input& input) {
    Recovery recovery(input);
    SE_TRY_OK(recovery.survey());
    SE_TRY_OK(recovery.finish_repairs());
    SE_TRY_OK(recovery.scan());
    SE_TRY_OK(recovery.judge());
    if (!recovery.out_.report.damage) {
        SE_TRY_OK(recovery.mend());
        SE_TRY_OK(recovery.rewrite());
    }
    SE_TRY_OK(recovery.show_kept());
    if (!recovery.out_.report.damage) SE_TRY_OK(recovery.finish());
    return std::move(recovery.out_);
}

Error Recovery::other_history(const std::string& why) {
    return Error{Errc::malformed, "the given position is not of this journal's history (" + why +
                                      "); open from the start of the log"};
}

Status Recovery::survey() {
    SE_TRY(segments, list_segments(in_.files, in_.paths));
    out_.segments = std::move(segments);
    SE_TRY(head, read_head(in_.files, in_.paths.head()));
    if (head && head->store == in_.store) head_ = std::move(head);
    SE_TRY(quarantine, list_quarantine(in_.files, in_.paths));
    quarantine_ = std::move(quarantine);
    gaps_.add(quarantine_);
    // The first HEAD behind a repair is at the end of its gap: one that lies within is of a restored store.
    if (head_) gaps_.forget_around(head_->durable, head_->epoch);

    Epoch& highest = out_.epoch_highest;
    highest = in_.from.epoch;
    if (head_) highest = std::max(highest, head_->epoch);
    for (const Evidence& evidence : in_.evidence) highest = std::max(highest, evidence.epoch);
    for (const Parked& parked : quarantine_) highest = std::max(highest, parked.epoch);
    return Ok{};
}

/// A run that has begun since a repair has seen to it: its epoch is in HEAD. Without a HEAD nobody knows; what
/// still stands is found by the scan then.
Status Recovery::finish_repairs() {
    if (!head_) return Ok{};
    std::vector<Parked> since;
    for (const Parked& parked : quarantine_) {
        if (head_->epoch < parked.epoch) since.push_back(parked);
    }
    return finish_repair(in_.files, in_.paths, since);
}

/// Where verification begins (J8): at `from`, whatever lies below.
Result<std::size_t> Recovery::starting_place(std::uint64_t* offset) {
    ends_.assign(out_.segments.size(), kNotRead);
    *offset = 0;
    const Position& from = in_.from;
    if (from.seq == Seq{}) return std::size_t{0};

    for (const Parked& parked : quarantine_) {
        // Folded before from..to were given up, and over them.
        const bool lost = parked.what == Parked::What::lost;
        if (lost && parked.from <= from.seq && from.epoch < parked.epoch) {
            return other_history("records below it were given up since");
        }
    }
    const auto begin = out_.segments.begin(), end = out_.segments.end();
    const auto found = std::find(begin, end, from.segment);
    const auto index = static_cast<std::size_t>(
        (found != end ? found : std::upper_bound(begin, end, from.seq)) - begin);
    out_.position = from;
    expected_ = from.seq.next();
    epoch_ = from.epoch;
    starts_.saw(from.epoch, from.seq);
    if (found == end) {
        // Archived, if the log goes on just behind it. Else acknowledged history is gone.
        const bool goes_on = index < out_.segments.size() && out_.segments[index] == expected_;
        if (!goes_on) {
            SE_TRY_OK(check_epochs_below_from());
            stop_at({.kind = FaultKind::missing_records,
                     .segment = from.segment,
                     .seq = from.segment,
                     .detail = "there is no such segment"},
                    index);
        }
        return index;
    }
    SE_TRY(file, in_.files.open(in_.paths.segment(from.segment), OpenMode::read));
    SE_TRY(size, file->size());
    SE_TRY(there, is_there(*file, size));
    if (there) {
        *offset = from.end;
        return index;
    }
    // The segment ends below: only reading all of it tells what is missing.
    out_.position = {.ts = from.ts};
    expected_ = from.segment;
    epoch_ = {};
    starts_ = {};
    trust_next_header_ = true;
    return index;
}

/// Whether a line ends at `from`. It must be the record that it names, unless it is damaged, which is not
/// ours to notice (J8); but what is blank is missing.
Result<bool> Recovery::is_there(const File& segment, std::uint64_t size) {
    if (size < in_.from.end) return false;
    for (std::uint64_t window = 64u << 10;; window *= 4) {
        const std::uint64_t begin = in_.from.end - std::min(in_.from.end, window);
        std::string bytes(static_cast<std::size_t>(in_.from.end - begin), '\0');
        SE_TRY(got, segment.read(begin, std::span(bytes)));
        bytes.resize(got);
        const bool ended = bytes.ends_with('\n');
        if (ended) bytes.pop_back();
        if (bytes.ends_with('\n')) return false;
        const std::size_t before = bytes.rfind('\n');
        if (before == std::string::npos && begin > 0 && window < 2 * kRecordBytesMax) continue;
        const auto frame = read_frame(
            std::string_view(bytes).substr(before == std::string::npos ? 0 : before + 1));
        if (!frame) {
            // A good line that reaches across: it landed beside its place. What is cut from here on would
            // be its end.
            LineReader lines(segment, begin + (before == std::string::npos ? 0 : before + 1));
            SE_TRY(line, lines.next());
            if (line && line->offset < in_.from.end && read_frame(line->text)) return false;
            SE_TRY_OK(check_epochs_below_from());
        } else if (frame->seq != in_.from.seq || frame->epoch != in_.from.epoch) {
            return other_history("another record ends there");
        } else if (!ended) {
            return false;  // it landed a byte behind its place: what is cut from here on is its newline
        }
        return true;
    }
}

/// A store that was brought back from a copy and gone on with: a later epoch began at or below `from`.
Status Recovery::check_epochs_below_from() {
    const auto begin = out_.segments.begin();
    const auto behind = std::upper_bound(begin, out_.segments.end(), in_.from.seq);
    if (behind == begin) return Ok{};
    // Epochs never fall: the highest seqs tell.
    SE_TRY(file, in_.files.open(in_.paths.segment(*std::prev(behind)), OpenMode::read));
    LineReader lines(*file);
    for (;;) {
        SE_TRY(line, lines.next());
        if (!line) return Ok{};
        const auto frame = read_frame(line->text);
        if (frame && frame->seq <= in_.from.seq && frame->epoch > in_.from.epoch) {
            return other_history("a later epoch began below it");
        }
    }
}

Status Recovery::scan() {
    std::uint64_t offset = 0;
    SE_TRY(index, starting_place(&offset));
    for (; index < out_.segments.size() && !fault_; ++index, offset = 0) {
        SE_TRY_OK(scan_segment(index, offset));
    }
    if (!fault_) expected_ = gaps_.beyond(expected_, epoch_);
    return Ok{};
}

void Recovery::stop_at(Fault fault, std::size_t index) {
    fault_ = std::move(fault);
    fault_index_ = index;
    fault_at_header_ = fault_->offset == 0;
}

/// The notes that tell what was given up, or erased, lie ahead: they are looked for once, where the quarantine
/// does not know.
Status Recovery::look_ahead(std::size_t index, std::uint64_t offset) {
    if (std::exchange(looked_ahead_, true)) return Ok{};
    SE_TRY(ahead,
           look_behind(in_.files, in_.paths, out_.segments, index, offset, expected_, starts_, gaps_));
    gaps_.add(ahead.repaired);
    erasures_.add(ahead.erasures);
    return Ok{};
}

/// Whether the log may go on with `target`, found at that place, although expected_ comes next. A segment
/// may begin amid what was given up; a record that was given up must not be there.
Result<bool> Recovery::believed(Seq target, Epoch epoch, std::size_t index, std::uint64_t offset) {
    if (target < expected_) return false;
    if (!gaps_.cover(expected_, target, epoch_)) SE_TRY_OK(look_ahead(index, offset));
    gaps_.forget_around(target, epoch);
    return gaps_.cover(expected_, target, epoch_) && (offset == 0 || !gaps_.hold(target, epoch));
}

Status Recovery::scan_segment(std::size_t index, std::uint64_t offset) {
    const Seq first = out_.segments[index];
    if (offset == 0 && !trust_next_header_ && first != expected_) {
        SE_TRY(gap, believed(first, {}, index, 0));
        if (!gap) {
            stop_at({.kind = first > expected_ ? FaultKind::missing_records : FaultKind::bad_header,
                     .segment = first,
                     .seq = expected_,
                     .detail = "the segment begins with seq " + std::to_string(first.value)},
                    index);
            return Ok{};
        }
        expected_ = first;
    }
    SE_TRY(file, in_.files.open(in_.paths.segment(first), OpenMode::read));
    SE_TRY(reader, SegmentReader::over(*file, first, in_.store,
                                       {.offset = offset,
                                        .expected = expected_,
                                        .epoch_min = epoch_,
                                        .to = UINT64_MAX}));
    bool header_due = offset == 0;
    while (!fault_) {
        ends_[index] = reader.end_of_good();
        SE_TRY(item, reader.next());
        if (header_due && reader.header()) {
            header_due = false;
            SE_TRY_OK(take_header(*reader.header(), index));
            if (fault_) break;
            ends_[index] = reader.end_of_good();
        }
        if (!item) break;
        if (const Line* const line = std::get_if<Line>(&*item)) {
            SE_TRY_OK(take_line(*line, index));
            continue;
        }
        Fault& fault = std::get<Fault>(*item);
        if (fault.kind == FaultKind::bad_seq) {
            SE_TRY(gap, believed(reader.frame().seq, reader.frame().epoch, index, fault.offset));
            if (gap) {
                reader.resume_at(reader.frame().seq);
                continue;
            }
        }
        stop_at(std::move(fault), index);
    }
    if (fault_ && header_due) fault_at_header_ = true;
    return Ok{};
}

Status Recovery::take_header(const SegmentHeader& header, std::size_t index) {
    out_.epoch_highest = std::max(out_.epoch_highest, header.epoch);
    Frontier& tree = out_.position.frontier;
    if (std::exchange(trust_next_header_, false)) {
        tree = header.before;
        out_.position.seq = Seq{header.first.value - 1};
    }
    give_up_to(header.first);
    below_header_ = tree;
    if (header.before == tree) return Ok{};
    // Perhaps it still knew what was given up since.
    SE_TRY_OK(look_ahead(index, 0));
    if (header.before.size() == tree.size() && gaps_.excuse_root(header.first, header.epoch)) {
        tree = header.before;
        return Ok{};
    }
    stop_at({.kind = FaultKind::bad_root,
             .segment = header.first,
             .seq = expected_,
             .detail = "the log before it has root " + to_hex(tree.root())},
            index);
    return Ok{};
}

Status Recovery::take_line(const Line& line, std::size_t index) {
    const Seq segment = out_.segments[index];
    if (const Status parsed = parse_record(line.text, &record_); !parsed) {
        stop_at({.kind = FaultKind::bad_line,
                 .segment = segment,
                 .offset = line.offset,
                 .seq = expected_,
                 .detail = parsed.error().text},
                index);
        return Ok{};
    }
    if (gaps_.hold(record_.seq, record_.epoch)) {
        stop_at({.kind = FaultKind::bad_seq,
                 .segment = segment,
                 .offset = line.offset,
                 .seq = expected_,
                 .detail = "a record with seq " + std::to_string(record_.seq.value) + ", which was given up"},
                index);
        return Ok{};
    }
    if (!record_.erased.empty()) {
        // J7. Not after it was folded: a projection with a tombstone there would be trusted from then on.
        SE_TRY_OK(look_ahead(index, line.offset));
        if (!erasures_.name(record_.seq)) {
            stop_at(unnamed_erasure(record_.seq, segment, line.offset), index);
            return Ok{};
        }
    }
    const std::uint64_t end = line.offset + line.text.size() + 1;
    const Hash leaf = leaf_hash(record_);
    expected_ = record_.seq.next();
    epoch_ = record_.epoch;
    starts_.saw(record_.epoch, record_.seq);
    if (record_.kind == Kind::note) {
        gaps_.add(record_);
        for (std::string& file : files_noted_by(record_)) noted_.push_back(std::move(file));
    }
    if (kept_.lines.empty() && vouched(record_, segment, end)) {
        return show(record_, leaf, segment, end);
    }
    if (kept_.lines.empty()) {
        kept_.segment = segment;
        // From the newline before it on: so an aligned group is rewritten from its own start.
        kept_.begin = line.offset - 1;
    }
    kept_.bytes.resize(static_cast<std::size_t>(line.offset - kept_.begin), '\n');
    kept_.lines.push_back({.at = kept_.bytes.size(), .size = line.text.size(), .leaf = leaf});
    kept_.bytes.append(line.text) += '\n';
    return Ok{};
}

/// What lies below the highest segment was synced before that one got its name. In it, only HEAD knows
/// what the disk has.
bool Recovery::vouched(const RecordView& record, Seq segment, std::uint64_t end) const {
    if (segment != out_.segments.back()) return true;
    return head_ && head_->segment == segment && end <= head_->end &&
           record.seq <= head_->durable && record.epoch <= head_->epoch;
}

void Recovery::give_up_to(Seq next) {
    Position& position = out_.position;
    while (position.frontier.size() + 1 < next.value) {
        position.seq = Seq{position.frontier.size() + 1};
        position.frontier.append(lost_leaf(position.seq));
    }
}

Status Recovery::show(const RecordView& record, const Hash& leaf, Seq segment, std::uint64_t end) {
    give_up_to(record.seq);
    Position& position = out_.position;
    position.seq = record.seq;
    position.epoch = record.epoch;
    position.ts = std::max(position.ts, record.ts);
    position.segment = segment;
    position.end = end;
    position.frontier.append(leaf);
    if (record.seq <= in_.from.seq) {
        return record.seq == in_.from.seq ? Status(other_history("it lies elsewhere now")) : Ok{};
    }
    ++out_.report.records;
    return in_.visit(record, position);
}

Status Recovery::show_kept() {
    for (const Kept::Entry& entry : kept_.lines) {
        const std::string_view line = std::string_view(kept_.bytes).substr(entry.at, entry.size);
        SE_TRY_OK(parse_record(line, &record_));
        SE_TRY_OK(show(record_, entry.leaf, kept_.segment, kept_.begin + entry.at + entry.size + 1));
    }
    return Ok{};
}

}  // namespace se
