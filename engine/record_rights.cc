#include "engine/record_rights.h"

#include <algorithm>

#include "journal/base/json.h"
#include "journal/base/json_depth.h"
#include "journal/body.h"

namespace se {
namespace {

/// Whether a record that refuses holds all that was sent, whose keys nobody has looked at.
bool holds_original(std::string_view claim) {
    if (claim.empty()) return false;
    const auto told = parse_json(claim, kJsonDepthTrusted);
    return !told || told->find("original") != nullptr;
}

}  // namespace

bool may_read(const Caller& caller, const RecordView& record) {
    if (caller.reads_everything()) return true;
    if (record.kind != Kind::accepted && record.kind != Kind::rejected) return false;
    if (record.changes.empty()) return false;
    for (const RecordView::Change& change : record.changes)
        if (!caller.may_read(change.key)) return false;
    const auto body = parse_body(record.body);
    if (!body) return false;  // erased: nobody can say any more what it named
    if (!body->fired.empty() || holds_original(body->claim)) return false;
    return std::ranges::all_of(body->basis,
                               [&](const Body::Basis& fact) { return caller.may_read(fact.key); });
}

std::string withheld(const RecordView& record) {
    std::string out;
    JsonObject(out)
        .integer("seq", record.seq.value)
        .integer("epoch", record.epoch.value)
        .text("kind", "withheld")
        .close();
    return out;
}

}  // namespace se
