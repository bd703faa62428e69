// journal replay --verify: would everything be decided the same once more?

#include "tools/statectl/replay_check.h"

#include <fmt/format.h>

#include "engine/replay.h"
#include "journal/erasures.h"
#include "journal/store.h"
#include "tools/statectl/faults.h"
#include "tools/statectl/journal_search.h"
#include "tools/statectl/rule_commands.h"
#include "tools/statectl/terminal.h"

namespace se::statectl {
namespace {

std::string difference_json(const Replay::Difference& difference) {
    std::string out;
    JsonObject(out)
        .integer("seq", difference.seq.value)
        .text("what", difference.what)
        .raw("recorded", difference.recorded)
        .raw("recomputed", difference.recomputed)
        .close();
    return out;
}

}  // namespace

Outcome<int> verify_replay(Context& context, const std::string& policy_file) {
    SE_TRY_OK(context.need_store());
    SE_TRY(store, read_store(context.files, context.paths()));
    std::optional<Policy> other;
    if (!policy_file.empty()) {
        SE_TRY(policy, policy_for_rules(context, policy_file));
        other = std::move(policy);
    }
    const auto why_stale = say_if_stale(context);
    Replay replay(store.store, other);
    std::vector<std::string> differences;
    std::optional<Error> stopped;
    std::optional<Fault> fault;
    Erasures erasures;
    Seq reached;
    SE_TRY_OK(for_each_record(
        context, Seq{1},
        [&](const RecordView& record) {
            if (fault) return false;
            erasures.add(record);
            // Behind what was erased nothing can be decided again; the note that must name it is looked for.
            if (stopped) return erasures.unnamed().has_value();
            auto next = replay.next(record);
            if (!next) {
                stopped = std::move(next).error();
                return erasures.unnamed().has_value();
            }
            reached = record.seq;
            if (!*next) return true;
            differences.push_back(difference_json(**next));
            return other.has_value();  // the first one makes all behind it doubtful
        },
        [&](const Fault& found) {
            if (!fault) fault = found;
        }));
    const Replay::Counts& counts = replay.counts();
    if (context.form() == Form::table) {
        for (const std::string& difference : differences)
            print(to_pretty_text(*parse_json(difference, 1000)) + "\n");
        print(fmt::format(
            "{} records, {} decided again, {} of them derived, {} rules fired; up to seq {}\n",
            counts.records, counts.decided, counts.derived, counts.fired, reached.value));
    } else {
        std::string out;
        JsonObject object(out);
        object.integer("records", counts.records).integer("decided", counts.decided);
        object.integer("derived", counts.derived).integer("fired", counts.fired);
        object.integer("seq", reached.value).integer("pending", replay.pending());
        std::string& list = object.member("differences");
        list += '[';
        for (const std::string& difference : differences)
            list += (list.back() == '[' ? "" : ",") + difference;
        list += ']';
        add_stale(object, why_stale);
        object.close();
        print(out + "\n");
    }
    if (!differences.empty()) {
        complain(other
                     ? fmt::format("{} decisions would be others under {}", differences.size(),
                                   policy_file)
                     : fmt::format("seq {} is not what it must be; nothing behind it was looked at",
                                   reached.value));
        return kDamage;
    }
    if (fault) return Failure(kDamage, "damage: " + to_text(*fault));
    if (const auto unnamed = erasures.unnamed()) return Failure(kDamage, unnamed_erasure_text(*unnamed));
    if (stopped && stopped->code != Errc::not_found)
        return Failure(kDamage, fmt::format("behind seq {}: {}", reached.value, stopped->text));
    if (stopped) complain(stopped->text);
    return kOk;
}

}  // namespace se::statectl
