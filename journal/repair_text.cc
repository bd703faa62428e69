#include "journal/base/json.h"
#include "journal/repair.h"

namespace se {

std::string to_json(const RepairPlan& plan, bool done) {
    std::string out;
    JsonObject json(out);
    json.boolean("done", done).integer("from", plan.from.value).integer("to", plan.to.value);
    json.boolean("losesRecords", plan.loses_records);
    std::string& pieces = json.member("pieces");
    pieces += '[';
    for (const RepairPiece& piece : plan.pieces) {
        if (pieces.back() != '[') pieces += ',';
        JsonObject(pieces)
            .integer("segment", piece.segment.value)
            .integer("offset", piece.offset)
            .integer("bytes", piece.bytes)
            .text("sha256", piece.sha256)
            .text("quarantined", piece.quarantined)
            .close();
    }
    pieces += ']';
    std::string& headers = json.member("headers");
    headers += '[';
    for (const Seq segment : plan.headers) {
        if (headers.back() != '[') headers += ',';
        append_integer(headers, segment.value);
    }
    headers += ']';
    std::string& lost = json.member("goodLost");
    lost += '[';
    for (const std::string& id : plan.good_lost) {
        if (lost.back() != '[') lost += ',';
        append_json_string(lost, id);
    }
    lost += ']';
    json.close();
    return out;
}

}  // namespace se
