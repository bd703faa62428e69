#include "tools/statectl/record_rows.h"

#include <fmt/format.h>

namespace se::statectl {
namespace {

/// What a record is about, in a few words.
std::string what(const Json& record) {
    const Json* const note = record.find("note");
    if (note != nullptr) return cell(record, "note");
    if (cell(record, "kind") == "config") return "policy " + cell(record, "decided");
    const Json* const changes = record.find("changes");
    if (changes == nullptr || !changes->is_array() || changes->array().empty())
        return cell(record, "id");
    const Json& first = changes->array().front();
    std::string text = fmt::format("{} {}", cell(first, "op"), cell(first, "key"));
    if (first.find("version") != nullptr) text += " v" + cell(first, "version");
    if (changes->array().size() > 1) text += fmt::format(" and {} more", changes->array().size() - 1);
    return text;
}

std::string member_of_body(const Json& record, std::string_view name) {
    const Json* const body = record.find("body");
    if (body == nullptr) return record.find("erased") != nullptr ? "(erased)" : "-";
    return cell(*body, name);
}

}  // namespace

Items record_items(Form form) {
    return Items(form, {"SEQ", "TIME", "KIND", "WHAT", "ACTOR", "DETAIL"}, [](const Json& record) {
        const bool rejected = record.find("code") != nullptr;
        const std::string detail = rejected ? fmt::format("{}: {}", cell(record, "code"),
                                                          member_of_body(record, "message"))
                                            : member_of_body(record, "reason");
        return Cells{cell(record, "seq"), cell(record, "ts"),    cell(record, "kind"),
                     what(record),        cell(record, "actor"), detail};
    });
}

Items history_items(Form form, std::string key) {
    return Items(
        form, {"SEQ", "TIME", "OP", "VERSION", "ACTOR", "REASON", "VALUE"},
        [key = std::move(key)](const Json& record) {
            Cells cells{cell(record, "seq"),   cell(record, "ts"),
                        "-",                   "-",
                        cell(record, "actor"), member_of_body(record, "reason"),
                        "-"};
            const Json* const changes = record.find("changes");
            const Json* const body = record.find("body");
            const Json* const values = body == nullptr ? nullptr : body->find("values");
            if (changes == nullptr || !changes->is_array()) return cells;
            for (std::size_t i = 0; i < changes->array().size(); ++i) {
                const Json& change = changes->array()[i];
                if (cell(change, "key") != key) continue;
                cells[2] = cell(change, "op");
                cells[3] = cell(change, "version");
                if (values != nullptr && values->is_array() && i < values->array().size())
                    cells[6] = to_text(values->array()[i]);
            }
            return cells;
        });
}

}  // namespace se::statectl
