#include "tools/statectl/journal_search.h"

#include <fmt/format.h>

#include "projection/staleness.h"
#include "tools/statectl/terminal.h"

namespace se::statectl {

Outcome<Ok> for_each_record(Context& context, Seq from,
                            const std::function<bool(const RecordView&)>& visit,
                            const std::function<void(const Fault&)>& on_fault,
                            const std::function<void(const std::string&)>& on_store_file) {
    SE_TRY_OK(context.need_store());
    std::string why;
    SE_TRY(store, store_id_as_told(context.files, context.paths(), &why));
    if (!why.empty() && !on_store_file) return Failure(kDamage, why);
    if (!why.empty()) on_store_file(why);
    auto reader = JournalReader::open_as(context.files, context.paths(), std::move(store));
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

std::optional<std::string> say_if_stale(Context& context, Seq last) {
    std::string why_no_store_file;
    auto store = store_id_as_told(context.files, context.paths(), &why_no_store_file);
    if (!store) return {};  // whoever reads says what is wrong
    auto reader = JournalReader::open_as(context.files, context.paths(), *std::move(store));
    auto stale = stale_journal(context.files, context.paths(), reader);
    if (!stale) {
        complain("nobody can say whether this is all that was acknowledged: " + stale.error().text);
        return {};
    }
    if (!*stale || last <= (*stale)->as_of) return {};
    say_stale((*stale)->as_of, (*stale)->why);
    return std::move((*stale)->why);
}

void say_stale(Seq as_of, const std::string& why) {
    complain(fmt::format("stale: as of seq {}: {}", as_of.value, why));
}

void add_stale(JsonObject& json, const std::optional<std::string>& why) {
    if (why) json.boolean("stale", true).text("whyStale", *why);
}

Outcome<std::optional<Policy>> policy_in_force(Context& context) {
    SE_TRY(found, find_newest(context.files, context.paths(), [](const RecordView& record) {
               return record.kind == Kind::config;
           }));
    if (!found) return std::optional<Policy>();
    SE_TRY(json, parse_json(found->view.body));
    SE_TRY(policy, Policy::from_json(json));
    return std::optional(std::move(policy));
}

}  // namespace se::statectl
