#include "journal/search.h"

#include "journal/base/assert.h"
#include "journal/base/json.h"
#include "journal/base/time_text.h"
#include "journal/segment.h"

namespace se {
namespace {

/// Records of `first`'s segment.
Status for_each_in_segment(JournalReader& reader, Seq first, std::optional<Seq> next_segment,
                           const std::function<void(const RecordView&)>& visit) {
    SE_TRY_OK(reader.seek(first));
    for (;;) {
        SE_TRY(record, next_good(reader, [](const Fault&) {}));
        if (record == nullptr) return Ok{};
        if (next_segment && record->seq >= *next_segment) return Ok{};
        visit(*record);
    }
}

FoundRecord copy_of(const RecordView& record) {
    FoundRecord found{.line = std::make_unique<std::string>(record.line), .view = {}};
    const Status parsed = parse_record(*found.line, &found.view);
    SE_ASSERT(parsed);
    return found;
}

}  // namespace

Result<const RecordView*> next_good(JournalReader& reader,
                                    const std::function<void(const Fault&)>& on_fault) {
    for (;;) {
        auto record = reader.next();
        if (record || record.error().code != Errc::corruption || !reader.fault()) return record;
        on_fault(*reader.fault());
        SE_TRY_OK(reader.skip_fault());
    }
}

Result<std::optional<FoundRecord>> find_newest(
    FileSystem& files, const StorePaths& paths,
    const std::function<bool(const RecordView&)>& wanted) {
    SE_TRY(segments, list_segments(files, paths));
    if (segments.empty()) return std::optional<FoundRecord>();
    SE_TRY(reader, JournalReader::open(files, paths));
    for (std::size_t i = segments.size(); i-- > 0;) {
        std::optional<FoundRecord> found;
        const std::optional<Seq> next =
            i + 1 < segments.size() ? std::optional(segments[i + 1]) : std::nullopt;
        const Status done =
            for_each_in_segment(reader, segments[i], next, [&](const RecordView& record) {
                if (wanted(record)) found = copy_of(record);
            });
        // A segment that nothing of can be shown yet, or that is damaged at its start, has no
        // answer; one that the disk would not read might have one.
        const bool has_none = !done && (done.error().code == Errc::corruption || done.error().code == Errc::not_found);
        if (!done && (i == 0 || !has_none)) return done.error();
        if (found) return found;
    }
    return std::optional<FoundRecord>();
}

Result<std::optional<Opener>> last_opener(FileSystem& files, const StorePaths& paths) {
    SE_TRY(found, find_newest(files, paths, [](const RecordView& record) {
               return record.kind == Kind::note && record.note == "opened";
           }));
    if (!found) return std::optional<Opener>();
    Opener opener{.settings = run_settings_in(found->view.body),
                  .since = found->view.ts,
                  .epoch = found->view.epoch};
    if (const auto body = parse_json(found->view.body)) {
        const auto text = [&](std::string_view name) {
            const Json* const member = body->find(name);
            return member != nullptr && member->is_string() ? member->string() : std::string("?");
        };
        const Json* const pid = body->find("pid");
        if (pid != nullptr && pid->is_integer())
            opener.pid = static_cast<std::uint64_t>(pid->integer());
        opener.host = text("host");
        opener.program = text("program");
        opener.fsync = text("fsync");
    }
    return std::optional(std::move(opener));
}

std::string describe(const std::optional<Opener>& opener) {
    if (!opener) return "somebody who has not said so in the journal yet";
    return "pid " + (opener->pid == 0 ? "?" : std::to_string(opener->pid)) + " on host " +
           opener->host + " (" + opener->program + "), since " + to_text(opener->since);
}

}  // namespace se
