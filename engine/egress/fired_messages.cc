#include "engine/egress/fired_messages.h"

#include "journal/base/json.h"
#include "journal/body.h"

namespace se {
namespace {

constexpr std::size_t kFiredDepthMax =
    1'000;  ///< what JSON allows: it was checked when it was fired

Error no_action(const std::string& what) {
    return Error{Errc::corruption, "`fired` is not of its form: " + what};
}

}  // namespace

Status fired_messages(const RecordView& record, const std::string& store,
                      std::vector<Message>* messages) {
    static_cast<void>(store);  // an action's id begins with it already
    if (record.kind != Kind::accepted || record.body.find("\"fired\":[") == std::string_view::npos)
        return Ok{};
    SE_TRY(body, parse_body(record.body));
    if (body.fired.empty()) return Ok{};
    SE_TRY(fired, parse_json(body.fired, kFiredDepthMax));
    if (!fired.is_array()) return no_action("no array");
    for (const Json& rule : fired.array()) {
        const Json* const actions = rule.find("actions");
        if (actions == nullptr) continue;  // a warning
        if (!actions->is_array()) return no_action("`actions` is no array");
        for (const Json& action : actions->array()) {
            const Json* const payload = action.find("payload");
            if (payload == nullptr) continue;  // mutate
            const Json* const id = action.find("id");
            const Json* const header = action.find("header");
            if (id == nullptr || !id->is_string()) return no_action("an action has no id");
            if (header == nullptr || !header->is_string())
                return no_action("an action has no header");
            messages->push_back({.id = id->string(),
                                 .type = header->string(),
                                 .body = to_text(*payload),
                                 .trace = std::string(record.trace)});
        }
    }
    return Ok{};
}

}  // namespace se
