#include "tools/statectl/journal_search.h"

#include <fmt/format.h>

#include "journal/base/time_text.h"

namespace se::statectl {
namespace {

/// next(), passing damage by.
Result<const RecordView*> next_good(JournalReader& reader,
                                    const std::function<void(const Fault&)>& on_fault) {
    for (;;) {
        auto record = reader.next();
        if (record || record.error().code != Errc::corruption || !reader.fault()) return record;
        on_fault(*reader.fault());
        SE_TRY_OK(reader.skip_fault());
    }
}

/// Records of `first`'s segment.
Outcome<Ok> for_each_in_segment(JournalReader& reader, Seq first, std::optional<Seq> next_segment,
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
    FoundRecord found{.line = std::make_unique<std::string>(record.line)};
    const Status parsed = parse_record(*found.line, &found.view);
    SE_ASSERT(parsed);
    return found;
}

}  // namespace

Outcome<Ok> for_each_record(Context& context, Seq from,
                            const std::function<bool(const RecordView&)>& visit,
                            const std::function<void(const Fault&)>& on_fault) {
    SE_TRY_OK(context.need_store());
    SE_TRY(reader, JournalReader::open(context.files, context.paths()));
    if (from > Seq{1}) {
        SE_TRY(durable, reader.durable());
        if (from > durable) return Ok{};
        SE_TRY_OK(reader.seek(from));
    }
    for (;;) {
        SE_TRY(record, next_good(reader, on_fault));
        if (record == nullptr || !visit(*record)) return Ok{};
    }
}

Outcome<std::optional<FoundRecord>> find_newest(
    Context& context, const std::function<bool(const RecordView&)>& wanted) {
    SE_TRY(segments, list_segments(context.files, context.paths()));
    if (segments.empty()) return std::optional<FoundRecord>();
    SE_TRY(reader, JournalReader::open(context.files, context.paths()));
    for (std::size_t i = segments.size(); i-- > 0;) {
        std::optional<FoundRecord> found;
        const std::optional<Seq> next =
            i + 1 < segments.size() ? std::optional(segments[i + 1]) : std::nullopt;
        const auto done = for_each_in_segment(reader, segments[i], next, [&](const RecordView& record) {
            if (wanted(record)) found = copy_of(record);
        });
        // A segment that nothing of can be shown yet, or that is damaged at its start, has no answer.
        if (!done && i == 0) return done.error();
        if (found) return found;
    }
    return std::optional<FoundRecord>();
}

Outcome<std::optional<Policy>> policy_in_force(Context& context) {
    SE_TRY(found, find_newest(context, [](const RecordView& record) {
               return record.kind == Kind::config;
           }));
    if (!found) return std::optional<Policy>();
    SE_TRY(json, parse_json(found->view.body));
    SE_TRY(policy, Policy::from_json(json));
    return std::optional(std::move(policy));
}

Outcome<std::optional<Opener>> last_opener(Context& context) {
    SE_TRY(found, find_newest(context, [](const RecordView& record) {
               return record.kind == Kind::note && record.note == "opened";
           }));
    if (!found) return std::optional<Opener>();
    Opener opener{.since = found->view.ts, .epoch = found->view.epoch};
    if (const auto body = parse_json(found->view.body)) {
        const Json* const pid = body->find("pid");
        if (pid != nullptr && pid->is_integer()) opener.pid = static_cast<std::uint64_t>(pid->integer());
        opener.host = cell(*body, "host");
        opener.program = cell(*body, "program");
        opener.fsync = cell(*body, "fsync");
    }
    return std::optional(std::move(opener));
}

std::string describe(const std::optional<Opener>& opener) {
    if (!opener) return "somebody who has not said so in the journal yet";
    return fmt::format("pid {} on host {} ({}), since {}", opener->pid, opener->host, opener->program,
                       to_text(opener->since));
}

}  // namespace se::statectl
