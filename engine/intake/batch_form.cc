#include "engine/intake/batch_form.h"

namespace se {
namespace {

const std::string kList = "/mutations";

}  // namespace

bool BatchForm::fits(const Json& root) {
    return root.find("mutations") && !root.find("op") && !root.find("ops");
}

Status BatchForm::adopt(Json& root, std::size_t ops_max) {
    Json list = *root.find("mutations");
    root.erase("mutations");
    if (list.is_array() && list.array().size() <= ops_max) {
        std::size_t index = 0;
        for (Json& mutation : list.array()) SE_TRY_OK(adopt_mutation(mutation, index++));
    }
    root.set("ops", std::move(list));
    moved_.emplace_back("/ops", kList);

    const Json* source = root.find("source");
    const std::string from = source && source->is_string() ? source->string() : "";
    if (!root.find("reason")) {
        root.set("reason", from.empty() ? "mutations" : "mutations from " + from);
        moved_.emplace_back("/reason", "/source");
    }
    if (!root.find("actor") && !from.empty()) {
        root.set("actor", from);
        moved_.emplace_back("/actor", "/source");
    }
    return Ok{};
}

Status BatchForm::adopt_mutation(Json& mutation, std::size_t index) {
    if (!mutation.is_object()) return Ok{};
    const std::string step = "/" + std::to_string(index);
    if (const Json* type = mutation.find("type")) {
        Json op = *type;
        if (op == Json("append")) op = Json("push");
        mutation.erase("type");
        mutation.set("op", std::move(op));
    }
    moved_.emplace_back("/ops" + step + "/op", kList + step + "/type");
    if (const Json* amount = mutation.find("amount")) {
        if (mutation.find("value"))
            return Error{Errc::malformed, "amount and value are both there: one is enough",
                         kList + step + "/amount"};
        Json value = *amount;
        mutation.erase("amount");
        mutation.set("value", std::move(value));
        moved_.emplace_back("/ops" + step + "/value", kList + step + "/amount");
    }
    return Ok{};
}

std::string BatchForm::original(std::string pointer) const {
    for (const auto& [now, before] : moved_)
        if (pointer == now || pointer.starts_with(now + "/"))
            return before + pointer.substr(now.size());
    return pointer;
}

}  // namespace se
