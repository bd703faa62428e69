// The second half of an open: the verdict on the first bad place, and what follows from it.

#include <algorithm>
#include <chrono>

#include "journal/base/assert.h"
#include "journal/base/canary.h"
#include "journal/recovery.h"
#include "journal/segment.h"

namespace se {

void Recovery::weigh(const Evidence& evidence) {
    if (evidence.seq > best_.seq && !starts_.void_at(evidence.epoch, evidence.seq)) best_ = evidence;
}

Status Recovery::judge() {
    out_.epoch_highest = std::max(out_.epoch_highest, starts_.highest());
    std::optional<Seq> resumes;
    std::optional<Seq> given_up;  // something stands where from here on all was given up
    if (fault_) {
        SE_TRY(behind, look_behind(in_.files, in_.paths, out_.segments, fault_index_,
                                   fault_->offset, fault_->seq, starts_, gaps_));
        gaps_.add(behind.repaired);
        if (behind.resumes) gaps_.forget_around(*behind.resumes, behind.resumes_epoch);
        // A bad place in a gap is where the log was to go on behind it. A header is where it is.
        if (!fault_at_header_) {
            const Seq beyond = gaps_.beyond(fault_->seq, epoch_);
            if (beyond > fault_->seq && behind.resumes && *behind.resumes <= beyond) given_up = fault_->seq;
            fault_->seq = beyond;
        }
        expected_ = fault_->seq;
        out_.epoch_highest = std::max(out_.epoch_highest, behind.epoch_highest);
        resumes = behind.resumes;
        if (behind.best) weigh(*behind.best);
        if (behind.displaced) {
            weigh({.epoch = starts_.highest(),
                   .seq = expected_,
                   .source = "record " + std::to_string(behind.displaced->value) + ", which stands behind its place"});
        }
    }
    if (in_.from.seq > Seq{}) {
        weigh({.epoch = in_.from.epoch, .seq = in_.from.seq, .source = "the given position"});
    }
    if (head_) weigh({.epoch = head_->epoch, .seq = head_->durable, .source = "HEAD"});
    for (const Evidence& evidence : in_.evidence) weigh(evidence);

    const auto unix_seconds =
        std::chrono::duration_cast<std::chrono::seconds>(in_.now.time_since_epoch()).count();
    out_.epoch = out_.epoch_highest.next();
    if (canary(Canary::epoch_not_raised) && out_.epoch_highest > Epoch{}) {
        out_.epoch = out_.epoch_highest;
    } else if (unix_seconds > 0) {
        out_.epoch = std::max(out_.epoch, Epoch{static_cast<std::uint64_t>(unix_seconds)});
    }
    // A header goes with what was given up behind it.
    const Seq beyond = gaps_.beyond(expected_, epoch_);
    if (best_.seq < beyond) {
        if (expected_ <= in_.from.seq) return other_history("a later run went on below it");
        expected_ = beyond;
        return Ok{};
    }

    Damage damage{.fault = {}, .from = expected_, .to = best_.seq, .evidence = best_.source};
    if (fault_) {
        damage.fault = *fault_;
    } else {
        damage.fault = {.kind = FaultKind::missing_records, .seq = expected_, .detail = {}};
        if (!out_.segments.empty()) {
            damage.fault.segment = out_.segments.back();
            damage.fault.offset = ends_.back() == kNotRead ? 0 : ends_.back();
        }
    }
    // What lies between the evidence and that is not known to be acknowledged, but it stands in the way.
    if (resumes) damage.to = std::max(damage.from, Seq{resumes->value - 1});
    if (given_up) {
        // To give that up once more costs nothing.
        damage.from = damage.fault.seq = *given_up;
        damage.to = Seq{expected_.value - 1};
    }
    out_.report.damage = std::move(damage);
    return Ok{};
}

Status Recovery::mend() {
    if (fault_) {
        // From the highest down: a crash in between leaves a journal whose end is missing, not its
        // middle.
        SE_TRY_OK(drop_from(fault_at_header_ ? fault_index_ : fault_index_ + 1));
        if (!fault_at_header_) SE_TRY_OK(cut(fault_index_, fault_->offset));
    } else if (!out_.segments.empty()) {
        SE_TRY_OK(drop_starved());
    }
    if (out_.segments.empty()) return Ok{};
    out_.active = out_.segments.back();
    out_.active_used = ends_.back();
    if (ends_.back() != kNotRead) return Ok{};
    SE_TRY(file, in_.files.open(in_.paths.segment(out_.active), OpenMode::read));
    SE_TRY(size, file->size());
    out_.active_used = size;  // rolled, and cut to its size then
    return Ok{};
}

/// A highest segment without any record and without its filled space is no good: nothing fits into it,
/// and what would follow it has the same name.
Status Recovery::drop_starved() {
    const Seq highest = out_.segments.back();
    if (!kept_.lines.empty() || out_.position.segment == highest) return Ok{};
    SE_TRY(file, in_.files.open(in_.paths.segment(highest), OpenMode::read));
    SE_TRY(size, file->size());
    if (size >= in_.options.first_segment_bytes) return Ok{};
    out_.position.frontier = below_header_;
    return drop_from(out_.segments.size() - 1);
}

/// Takes segments away: an unfinished roll, or what lies behind a torn place. Their records, if any,
/// are kept in quarantine.
Status Recovery::drop_from(std::size_t index) {
    if (index >= out_.segments.size()) return Ok{};
    while (out_.segments.size() > index) {
        const Seq first = out_.segments.back();
        SE_TRY(empty, holds_no_record(in_.files, in_.paths, first));
        if (!empty) {
            SE_TRY(file, in_.files.open(in_.paths.segment(first), OpenMode::read));
            SE_TRY_OK(park_tail(*file, first, 0));
        }
        SE_TRY_OK(in_.files.remove(in_.paths.segment(first)));
        SE_TRY_OK(drop_index(first));
        out_.segments.pop_back();
        ends_.pop_back();
    }
    return in_.files.sync_directory(in_.paths.journal());
}

Status Recovery::drop_index(Seq first) {
    SE_TRY(exists, in_.files.exists(in_.paths.index(first)));
    if (!exists) return Ok{};
    return in_.files.remove(in_.paths.index(first));
}

Status Recovery::cut(std::size_t index, std::uint64_t offset) {
    const Seq first = out_.segments[index];
    SE_TRY(file, in_.files.open(in_.paths.segment(first), OpenMode::update));
    SE_TRY_OK(park_tail(*file, first, offset));
    return drop_index(first);
}

/// To quarantine, then blank. The blanks that follow the last byte tell nothing and are not kept.
Status Recovery::park_tail(File& segment, Seq first, std::uint64_t offset) {
    SE_TRY(bytes, used_bytes(segment, offset));
    const Parked parked{.what = Parked::What::torn,
                        .segment = first,
                        .offset = offset,
                        .epoch = out_.epoch,
                        .next = expected_,
                        .from = {},
                        .to = {}};
    SE_TRY_OK(park(in_.files, in_.paths, parked, bytes));
    quarantine_.push_back(parked);
    out_.report.cut_bytes += bytes.size();
    if (offset == 0) return Ok{};  // the whole file goes
    if (canary(Canary::cut_keeps_good_lines)) return blank(segment, offset, std::min(bytes.find('\n'), bytes.size()));
    return blank(segment, offset, bytes.size());
}

/// J3. After a failed write-back the kernel shows pages that the disk never got, and a plain sync then
/// says yes: what nobody vouches for is written again, as it was verified.
Status Recovery::rewrite() {
    if (kept_.lines.empty() || canary(Canary::unvouched_not_rewritten)) return Ok{};
    SE_ASSERT(kept_.segment == out_.active);
    SE_TRY(file, in_.files.open(in_.paths.segment(kept_.segment), OpenMode::update));
    SE_TRY(size, file->size());
    std::string padding;
    if (const std::uint64_t align = in_.options.align_bytes; align > 0) {
        const std::uint64_t end = kept_.begin + kept_.bytes.size();
        const std::uint64_t padded = std::min(size, (end + align - 1) / align * align);
        if (padded > end) padding.assign(static_cast<std::size_t>(padded - end), '\n');
    }
    SE_TRY_OK(file->write(kept_.begin, kept_.bytes + padding));
    SE_TRY_OK(file->sync());
    out_.report.rewritten_bytes = kept_.bytes.size();
    return Ok{};
}

/// The log goes on behind what was given up at its end; and every quarantine file has its note.
Status Recovery::finish() {
    give_up_to(expected_);
    std::vector<Parked> untold;
    for (const Parked& parked : quarantine_) {
        bool told = std::find(noted_.begin(), noted_.end(), parked_name(parked)) != noted_.end();
        if (!told && parked.epoch <= in_.from.epoch) {
            SE_TRY(below, has_note(in_.files, in_.paths, out_.segments, parked));
            told = below;
        }
        if (told) continue;
        if (parked.what == Parked::What::header) {
            SE_TRY(unreadable, has_bad_header(in_.files, in_.paths, parked.segment));
            if (unreadable) continue;  // cut short: it was not written anew
        }
        untold.push_back(parked);
    }
    SE_TRY(notes, notes_about(in_.files, in_.paths, untold));
    out_.notes = std::move(notes);
    return Ok{};
}

}  // namespace se
