#include "engine/rebuilt.h"

#include "journal/base/hash.h"
#include "journal/base/json.h"

namespace se {
namespace {

void append_differences(std::string& out, const Rebuild::Report& report,
                        const std::function<bool(std::string_view)>& may_read) {
    out += '[';
    for (const DifferentRows& rows : report.different_rows) {
        if (out.back() != '[') out += ',';
        JsonObject object(out);
        object.text("database", rows.database).integer("rows", rows.rows).text("first", rows.first);
        if (!rows.key.empty() && may_read(rows.key)) object.text("key", rows.key);
        object.close();
    }
    out += ']';
}

}  // namespace

std::string rebuilt_json(const Rebuild::Report& report,
                         const std::function<bool(std::string_view)>& may_read) {
    std::string text;
    JsonObject json(text);
    json.boolean("equal", report.equal)
        .boolean("swapped", report.swapped)
        .integer("records", report.records)
        .integer("keys", report.keys)
        .integer("seq", report.seq.value)
        .text("rootLive", to_hex(report.root_live))
        .text("rootRebuilt", to_hex(report.root_rebuilt));
    std::string& keys = json.member("differentKeys");
    keys += '[';
    for (const std::string& key : report.different_keys) {
        if (!may_read(key)) continue;
        if (keys.back() != '[') keys += ',';
        append_json_string(keys, key);
    }
    keys += ']';
    append_differences(json.member("differences"), report, may_read);
    json.close();
    return text;
}

std::string rebuilt_body(const Rebuild::Report& report) {
    std::string body;
    JsonObject object(body);
    object.integer("records", report.records).integer("keys", report.keys);
    object.integer("seq", report.seq.value).text("root", to_hex(report.root_rebuilt));
    object.boolean("equal", report.equal);
    if (!report.different_rows.empty())
        append_differences(object.member("differences"), report,
                           [](std::string_view) { return false; });
    object.close();
    return body;
}

}  // namespace se
