// Journal::open: recovery, then HEAD with the new epoch, then ready to append.

#include <algorithm>
#include <utility>

#include "journal/journal_state.h"
#include "journal/recovery.h"

namespace se {
namespace {

/// The active segment and how much of it is used.
struct Active {
    Seq first;
    std::unique_ptr<File> file;
    std::uint64_t used = 0;
    std::uint64_t capacity = 0;
};

Upkeep::Limits limits_of(const JournalOptions& options) {
    return {.segment_bytes = options.segment_bytes,
            .first_segment_bytes = options.first_segment_bytes,
            .fill_chunk_bytes = options.fill_chunk_bytes,
            .disk_reserve_bytes = options.disk_reserve_bytes,
            .align_bytes = options.align_bytes,
            .scrub = {.bytes_per_second = options.scrub_bytes_per_second, .every = options.scrub_every}};
}

/// The first segment of a store, or of what is left of one.
Result<Active> make_first_segment(FileSystem& files, const StorePaths& paths,
                                  const SegmentHeader& header, Upkeep& upkeep) {
    upkeep.want_next(0);
    SE_TRY_OK(upkeep.filler().fill_now());
    Active active{.first = header.first, .file = nullptr};
    active.capacity = upkeep.filler().filled();
    active.file = upkeep.filler().take();
    const std::string line = encode_segment_header(header) + '\n';
    active.used = line.size();
    SE_TRY_OK(name_segment(files, paths, *active.file, header.first, line));
    return active;
}

Result<Active> open_active(FileSystem& files, const StorePaths& paths,
                           const Recovery::Output& found) {
    Active active{.first = found.active, .file = nullptr, .used = found.active_used};
    SE_TRY(file, files.open(paths.segment(found.active), OpenMode::update));
    SE_TRY(size, file->size());
    active.file = std::move(file);
    active.capacity = size;
    return active;
}

/// Only once HEAD is written and synced: for readers the lock says that it is exact.
Result<std::unique_ptr<FileLock>> lock_head(FileSystem& files, const StorePaths& paths) {
    auto lock = files.lock(paths.head());
    if (lock) return lock;
    // Whoever holds it is no writer, since we hold the store: not Errc::busy, which means that there is one.
    return Error{Errc::io, "HEAD cannot be locked, and without that no reader knows that it is exact: " +
                               lock.error().text};
}

RecordDraft opened_note() {
    return {.kind = Kind::note, .note = "opened", .actor = "system:journal"};
}

void say(Log& log, const OpenReport& report) {
    if (report.damage) {
        log.write({Severity::error,
                   "state-engine.journal.damaged",
                   {{"fault", to_text(report.damage->fault)},
                    {"from", std::to_string(report.damage->from.value)},
                    {"to", std::to_string(report.damage->to.value)},
                    {"evidence", report.damage->evidence}}});
    }
    if (report.cut_bytes > 0) {
        log.write({Severity::warning,
                   "state-engine.journal.torn_tail_cut",
                   {{"bytes", std::to_string(report.cut_bytes)}}});
    }
}

}  // namespace

Journal::State::State(Doors the_doors, StorePaths the_paths, std::string the_store,
                      JournalOptions the_options)
    : doors(the_doors),
      paths(std::move(the_paths)),
      store(std::move(the_store)),
      options(the_options),
      upkeep(doors.files, paths, store, doors.log, doors.background, limits_of(options)),
      salts(doors.random) {}

Result<std::unique_ptr<Journal>> Journal::open(Doors doors, StorePaths paths, const StoreHold& hold,
                                               JournalOptions options, const Position& from,
                                               std::vector<Evidence> evidence, const Visit& visit) {
    auto state = std::make_unique<State>(doors, paths, hold.info.store, options);
    SE_TRY(found, Recovery::run({.files = doors.files,
                                 .paths = paths,
                                 .store = state->store,
                                 .options = options,
                                 .from = from,
                                 .evidence = evidence,
                                 .visit = visit,
                                 .now = doors.clock.wall()}));
    say(doors.log, found.report);
    state->report = found.report;
    state->position = found.position;
    state->written = state->durable = found.position.seq;
    if (found.report.damage) {
        state->epoch = found.epoch_highest;
        SE_TRY_OK(state->upkeep.begin(found.segments, doors.clock.monotonic()));
        return std::unique_ptr<Journal>(new Journal(std::move(state)));
    }

    state->epoch = found.epoch;
    Active active;
    if (found.active == Seq{}) {
        const SegmentHeader header{.store = state->store,
                                   .epoch = found.epoch,
                                   .first = found.position.seq.next(),
                                   .before = found.position.frontier};
        state->report.created = found.position.seq == Seq{};
        SE_TRY(made, make_first_segment(doors.files, paths, header, state->upkeep));
        active = std::move(made);
        found.segments.push_back(active.first);
    } else {
        SE_TRY(opened, open_active(doors.files, paths, found));
        active = std::move(opened);
    }
    SE_TRY_OK(state->upkeep.begin(found.segments, doors.clock.monotonic()));
    state->upkeep.want_next(active.capacity);
    state->segment = active.first;
    state->capacity = active.capacity;
    state->used = active.used;

    // The new epoch is on disk before anything can carry it: it is never used again.
    const Head head{.store = state->store,
                    .epoch = state->epoch,
                    .durable = state->durable,
                    .segment = active.first,
                    .end = active.used};
    SE_TRY(head_file, HeadFile::open(doors.files, paths.root, paths.head()));
    SE_TRY_OK(head_file.write(head));
    SE_TRY_OK(head_file.sync());
    SE_TRY(head_lock, lock_head(doors.files, paths));
    state->head_lock = std::move(head_lock);
    state->writer = std::make_shared<SegmentWriter>(doors.files, paths, std::move(head_file),
                                                    std::move(active.file), head);
    state->notes.push_back(opened_note());
    for (RecordDraft& note : found.notes) state->notes.push_back(std::move(note));
    for (RecordDraft& note : state->notes) {
        note.ts = std::max(doors.clock.wall(), state->position.ts);
    }
    return std::unique_ptr<Journal>(new Journal(std::move(state)));
}

}  // namespace se
