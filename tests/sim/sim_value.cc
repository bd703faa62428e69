#include "tests/sim/sim_value.h"

#include "journal/base/assert.h"
#include "journal/base/json.h"

namespace se::sim {

std::string Value::text() const {
    std::string out;
    const auto comma = [&] {
        if (out.size() > 1) out += ',';
    };
    switch (kind) {
        case Kind::number:
            return std::to_string(number);
        case Kind::list:
            out = "[";
            for (const std::int64_t item : list) comma(), out += std::to_string(item);
            return out + "]";
        case Kind::object:
            out = "{";
            for (const auto& [name, member] : object) {
                comma();
                out += '"' + name + "\":" + (member ? std::to_string(*member) : "null");
            }
            return out + "}";
    }
    SE_ASSERT(false);
}

Value Value::from_text(std::string_view text) {
    const auto json = parse_json(text);
    SE_ASSERT(json);
    Value value;
    if (json->is_integer()) {
        value.number = json->integer();
    } else if (json->is_array()) {
        value.kind = Kind::list;
        for (const Json& item : json->array()) value.list.push_back(item.integer());
    } else {
        value.kind = Kind::object;
        for (const auto& [name, member] : json->object()) value.object[name] = member.integer();
    }
    return value;
}

}  // namespace se::sim
