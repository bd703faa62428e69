#include "journal/body_ops.h"

#include <utility>

#include "journal/base/json_depth.h"

namespace se {

Result<Json> ops_of(const RecordView& record, const Body& body) {
    SE_TRY(list, parse_json(body.ops, kJsonDepthTrusted));
    if (!list.is_array()) return Error{Errc::corruption, "`ops` is no list"};
    for (Json& op : list.array()) {
        const Json* const kind = op.find("op");
        const Json* const key = op.find("key");
        if (kind == nullptr || key == nullptr || !key->is_string() || op.find("value") != nullptr)
            continue;
        if (*kind == Json("delete")) continue;
        for (std::size_t i = 0; i < body.values.size() && i < record.changes.size(); ++i) {
            if (record.changes[i].key != key->string()) continue;
            SE_TRY(value, parse_json(body.values[i], kJsonDepthTrusted));
            op.set("value", std::move(value));  // moves its members: `kind` and `key` are gone
            break;                              // a record names a key once
        }
    }
    return std::move(list);
}

}  // namespace se
