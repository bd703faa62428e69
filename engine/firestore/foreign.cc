#include "engine/firestore/foreign.h"

#include "projection/firestore/documents.h"

namespace se::firestore {
namespace {

constexpr std::string_view kNoReason = "statectl firestore import";
constexpr std::size_t kTimeTextBytesMax = 64;

/// What an engine adds to the proposal that it logs, and what we add to that.
constexpr const char* kAdded[] = {"committedAt", "status", "error", "resultingVersion"};
constexpr const char* kAddedByUs[] = {"seq", "epoch", "code", "principal", "cause", "changes"};

Error wrong(const std::string& what) {
    return Error{Errc::malformed, what};
}

bool is_text(const Json* json) {
    return json != nullptr && json->is_string() && json->string().size() <= kTimeTextBytesMax;
}

/// A count of the other engine; its clients write whole numbers as such.
bool is_count(const Json* json, std::int64_t least) {
    return json != nullptr && json->is_integer() && json->integer() >= least;
}

Json begin(const std::string& from, std::string_view collection, const std::string& id,
           const Json& at) {
    return Json(
        Json::Object{{"from", from}, {"document", std::string(collection) + "/" + id}, {"at", at}});
}

}  // namespace

Result<std::string> import_of_state(const std::string& from, const std::string& id,
                                    const Json& data) {
    const Json* const version = data.find("version");
    if (!is_count(version, 1)) return wrong("version is no whole number from 1 on");
    const Json* const at = data.find("updatedAt");
    if (!is_text(at)) return wrong("updatedAt is no text of a time");
    const Json* const by = data.find("updatedBy");
    if (by == nullptr || !by->is_string()) return wrong("updatedBy is no text");
    const Json* const ttl = data.find("ttl");
    const bool lives_on = ttl == nullptr || ttl->is_null();
    if (!lives_on && !is_count(ttl, 0)) return wrong("ttl is neither null nor a number of seconds");
    const Json* const metadata = data.find("metadata");
    if (metadata != nullptr && !metadata->is_null() && !metadata->is_object())
        return wrong("metadata is no object");

    const Json* const value = data.find("value");
    Json proposal(
        Json::Object{{"op", "set"}, {"key", id}, {"value", value == nullptr ? Json() : *value}});
    if (!by->string().empty()) proposal.set("actor", *by);
    if (!lives_on && ttl->integer() > 0) proposal.set("ttl", *ttl);
    proposal.set("reason", Json(kNoReason));
    if (metadata != nullptr && metadata->is_object()) {
        // CONTRACTS 1.1: the source is the reason, so it comes back as the source.
        Json kept = *metadata;
        const Json* const source = kept.find("source");
        if (source != nullptr && source->is_string() && !source->string().empty()) {
            proposal.set("reason", *source);
            kept.erase("source");
        }
        if (!kept.object().empty()) proposal.set("metadata", std::move(kept));
    }
    Json line = begin(from, kStateCollection, id, *at);
    line.set("version", *version);
    line.set("proposal", std::move(proposal));
    return to_text(line);
}

Result<std::string> import_of_mutation(const std::string& from, const std::string& id,
                                       const Json& data) {
    const Json* const at = data.find("committedAt");
    if (!is_text(at)) return wrong("committedAt is no text of a time");
    const Json* const status = data.find("status");
    const bool accepted = status != nullptr && *status == Json("accepted");
    if (!accepted && (status == nullptr || *status != Json("rejected")))
        return wrong("status is neither accepted nor rejected");
    if (data.find("erased") != nullptr) return wrong("what it held was erased");
    const Json* const version = data.find("resultingVersion");
    if (version != nullptr && !is_count(version, 1))
        return wrong("resultingVersion is no whole number from 1 on");
    const Json* const own_id = data.find("id");
    if (own_id != nullptr && !own_id->is_string()) return wrong("id is no text");

    const bool ours = is_count(data.find("seq"), 1) && is_count(data.find("epoch"), 1);
    Json line = begin(from, kLogCollection, id, *at);
    line.set("status", *status);
    if (accepted && version != nullptr) line.set("version", *version);
    if (const Json* const error = data.find("error"); error != nullptr && error->is_string())
        line.set("error", *error);
    Json proposal = data;
    for (const char* const name : kAdded) proposal.erase(name);
    if (ours) {
        const Json* const principal = data.find("principal");
        const Json* const actor = data.find("actor");
        if (const Json* const whose = principal != nullptr ? principal : actor; whose != nullptr)
            line.set("principal", *whose);
        for (const char* const name : {"code", "changes"})
            if (const Json* const member = data.find(name)) line.set(name, *member);
        for (const char* const name : kAddedByUs) proposal.erase(name);
    }
    if (own_id == nullptr) proposal.set("id", id);
    line.set("proposal", std::move(proposal));
    return to_text(line);
}

}  // namespace se::firestore
