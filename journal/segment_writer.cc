#include "journal/segment_writer.h"

#include <utility>

#include "journal/base/canary.h"
#include "journal/segment.h"

namespace se {

void GroupWrite::clear() {
    roll.reset();
    offset = 0;
    bytes.clear();
    last = {};
    end = 0;
}

Status name_segment(FileSystem& files, const StorePaths& paths, File& next, Seq first,
                    std::string_view header) {
    SE_TRY_OK(next.write(0, header));
    SE_TRY_OK(next.sync());
    SE_TRY_OK(files.rename(paths.next(), paths.segment(first)));
    return files.sync_directory(paths.journal());
}

SegmentWriter::SegmentWriter(FileSystem& files, StorePaths paths, HeadFile head_file,
                             std::unique_ptr<File> active, Head head)
    : files_(files),
      paths_(std::move(paths)),
      head_file_(std::move(head_file)),
      active_(std::move(active)),
      written_(std::move(head)),
      durable_(written_.durable) {}

template <class Step>
Status SegmentWriter::guarded(Step step) {
    if (poisoned_) return Error{Errc::io, "an earlier write or sync of the journal failed"};
    poisoned_ = true;  // until the last call has said otherwise
    SE_TRY_OK(step());
    poisoned_ = false;
    return Ok{};
}

Status SegmentWriter::commit(GroupWrite& group, bool sync) {
    return guarded([&]() -> Status {
        if (group.roll) SE_TRY_OK(roll(*group.roll));
        SE_TRY_OK(active_->write(group.offset, group.bytes));
        written_.durable = group.last;
        written_.end = group.end;
        return sync ? sync_active() : Ok{};
    });
}

Status SegmentWriter::sync() {
    return guarded([&] { return sync_active(); });
}

Status SegmentWriter::sync_head() {
    return guarded([&]() -> Status {
        SE_TRY_OK(head_file_.sync());
        head_synced_ = true;
        return Ok{};
    });
}

Status SegmentWriter::sync_active() {
    if (canary(Canary::head_before_sync)) SE_TRY_OK(head_file_.write(written_));
    if (!canary(Canary::sync_skipped)) SE_TRY_OK(active_->sync());
    if (!canary(Canary::head_before_sync)) SE_TRY_OK(head_file_.write(written_));
    durable_ = written_.durable;
    head_synced_ = false;
    return Ok{};
}

/// What is cut at a roll is blank, or a write landed beside its place: then the next open looks at all there is.
Status SegmentWriter::check_end(std::uint64_t end) const {
    LineReader lines(*active_, end - 1);
    SE_TRY(line, lines.next());
    if (!line) return Ok{};
    return Error{Errc::io, "at " + std::to_string(line->offset) + " stands what was not written there"};
}

/// DESIGN 3.1. HEAD vouches for all of the old segment before the new one can be seen: an open rewrites
/// what HEAD does not know in the highest segment only.
Status SegmentWriter::roll(GroupWrite::Roll& roll) {
    if (durable_ != written_.durable) SE_TRY_OK(sync_active());
    if (!head_synced_ && !canary(Canary::roll_without_head_sync)) SE_TRY_OK(head_file_.sync());
    SE_TRY_OK(check_end(roll.old_end));
    SE_TRY_OK(active_->truncate(roll.old_end));
    SE_TRY_OK(active_->sync());
    SE_TRY_OK(name_segment(files_, paths_, *roll.next, roll.first, roll.header));
    active_ = std::move(roll.next);
    written_.segment = roll.first;
    head_synced_ = true;
    return Ok{};
}

}  // namespace se
