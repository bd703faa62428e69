#include "tools/statectl/proposing.h"

#include <fmt/format.h>

#include "tools/statectl/terminal.h"

namespace se::statectl {
namespace {

std::string current_text(const Answer& answer) {
    if (!answer.current) return {};
    if (*answer.current != "null") return "; current: " + *answer.current;
    return answer.tombstone ? "; it is deleted: " + *answer.tombstone : "; it is absent";
}

}  // namespace

Outcome<Ok> add_flags(Context& context, const WriteFlags& flags, const std::string& default_reason,
                      Json* proposal) {
    proposal->set("reason", flags.reason.empty() ? default_reason : flags.reason);
    // A dry run with an id of its own making would never find a duplicate, and needs none.
    if (!flags.id.empty()) proposal->set("id", flags.id);
    else if (!flags.dry_run) proposal->set("id", make_uuid(context.random));
    if (!flags.actor.empty()) proposal->set("actor", flags.actor);
    if (!flags.ttl.empty()) {
        SE_TRY(ttl, duration_from_text(flags.ttl, std::chrono::seconds(1)));
        if (ttl.count() % 1000 != 0)
            return Failure(kUsage, fmt::format("--ttl {}: whole seconds only", flags.ttl));
        proposal->set("ttl", ttl.count() / 1000);
    }
    if (flags.expected_version) {
        if (*flags.expected_version > static_cast<std::uint64_t>(INT64_MAX))
            return Failure(kUsage, "--expected-version: no version is that high");
        proposal->set("expectedVersion", static_cast<std::int64_t>(*flags.expected_version));
    }
    if (!flags.metadata.empty()) {
        auto metadata = parse_json(flags.metadata);
        if (!metadata || !metadata->is_object())
            return Failure(kUsage, "--metadata takes a JSON object, as in '{\"ticket\":\"A-17\"}'");
        proposal->set("metadata", std::move(*metadata));
    }
    return Ok{};
}

void show(Form form, const Told& told) {
    const Answer& answer = told.answer;
    if (form != Form::table) {
        print(told.json + "\n");
    } else if (answer.status != Answer::Status::rejected) {
        const std::string status = answer.dry_run              ? "would be accepted"
                                   : answer.duplicate          ? "accepted before"
                                   : answer.status == Answer::Status::pending ? "pending"
                                                               : "accepted";
        std::vector<Cells> rows;
        for (const Answer::Change& change : answer.changes) {
            rows.push_back({status, change.key,
                            fmt::format("v{}{}", change.version.value, change.deleted ? " deleted" : ""),
                            answer.seq.value == 0 ? "" : fmt::format("seq {}", answer.seq.value),
                            answer.id});
        }
        print_table({"", "", "", "", ""}, rows, false);
    }
    if (answer.status != Answer::Status::rejected) return;
    std::string text = fmt::format("{}{}: {}", answer.duplicate ? "rejected before, " : "",
                                   to_text(answer.code), answer.message);
    if (!answer.reason.empty()) text += fmt::format(" ({})", answer.reason);
    if (!answer.pointer.empty()) text += fmt::format(" (at {})", answer.pointer);
    text += current_text(answer);
    if (answer.code == Code::outcome_unknown)
        text += fmt::format("; ask again with --id {}", answer.id);
    complain(text);
}

}  // namespace se::statectl
