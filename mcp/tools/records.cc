#include "mcp/tools/records.h"

#include <algorithm>

#include "journal/base/time_text.h"
#include "journal/body.h"

namespace se::mcp {

std::optional<std::string> told_change(const RecordView& record, std::string_view key, bool with_value) {
    const auto change = std::ranges::find(record.changes, key, &RecordView::Change::key);
    if (record.kind != Kind::accepted || change == record.changes.end()) return std::nullopt;
    const auto index = static_cast<std::size_t>(change - record.changes.begin());

    std::string out;
    JsonObject told(out);
    told.integer("seq", record.seq.value)
        .integer("epoch", record.epoch.value)
        .text("at", se::to_text(record.ts))
        .text("key", key)
        .text("op", change->op)
        .integer("version", change->version.value);
    if (!record.erased.empty()) {
        told.boolean("erased", true);
    } else if (PostImages images;
               with_value && parse_post_images(record.body, record.ts, record.changes.size(), &images)) {
        told.raw("value", images.changes[index].value);
    }
    told.text("actor", record.actor);
    if (record.principal_or_actor() != record.actor) told.text("principal", record.principal);
    if (!record.door.empty()) told.text("door", record.door);
    if (!record.roles.empty()) told.raw("roles", record.roles);
    told.text("id", record.id);
    if (record.erased.empty()) {
        if (const auto body = parse_body(record.body)) {
            told.text("reason", body->reason);
            if (!body->claim.empty()) told.raw("claim", body->claim);
        }
    }
    if (!record.cause.empty()) told.raw("cause", record.cause);
    if (!record.trace.empty()) told.text("trace", record.trace);
    told.close();
    return out;
}

}  // namespace se::mcp
