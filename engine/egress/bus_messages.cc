#include "engine/egress/bus_messages.h"

#include <utility>

#include "engine/answer.h"
#include "engine/egress/fired_messages.h"
#include "engine/identity.h"
#include "journal/base/json.h"
#include "journal/base/time_text.h"
#include "journal/body.h"
#include "projection/fold.h"

namespace se {
namespace {

constexpr std::string_view kResult = "internal.state.result.v1";
constexpr std::string_view kChanged = "internal.state.changed.v1";
constexpr std::string_view kEgress = "internal.egress.v1";
constexpr std::string_view kDeadLetter = "internal.deadletter.v1";
constexpr std::string_view kMutation = "internal.state.mutation.v1";
constexpr std::string_view kTeller = "state-engine";
constexpr std::string_view kBusDoor = "nats";
constexpr std::size_t kTreeDepth = 512;  // what is deeper is told as a text

std::string told_text(const Json& json, std::string_view name) {
    const Json* const member = json.find(name);
    return member != nullptr && member->is_string() ? member->string() : std::string();
}

Json cause_tree(const RecordView& record) {
    if (record.cause.empty()) return {};
    auto cause = parse_json(record.cause, kTreeDepth);
    return cause ? *std::move(cause) : Json();
}

bool is_decision(const RecordView& record) {
    return record.kind == Kind::accepted || record.kind == Kind::rejected;
}

/// Such a message can never be a proposal, whoever sends it again.
bool is_dead(const RecordView& record) {
    return record.kind == Kind::rejected && record.door == kBusDoor &&
           (record.code == to_text(Code::malformed) || record.code == to_text(Code::too_large));
}

}  // namespace

Status BusMessages::operator()(const RecordView& record, const std::string& store,
                               std::vector<Message>* messages) const {
    if (!is_decision(record)) return Ok{};
    if (options_.results) add_result(record, store, messages);
    if (options_.changes) SE_TRY_OK(add_changes(record, store, messages));
    const std::size_t before = messages->size();
    SE_TRY_OK(fired_messages(record, store, messages));
    for (std::size_t i = before; i < messages->size(); ++i) {
        Message& message = (*messages)[i];
        message.topic = options_.subjects.subject(kEgress);
        message.headers.emplace_back("type", message.type);
    }
    if (is_dead(record)) SE_TRY_OK(add_dead_letter(record, store, messages));
    return Ok{};
}

Message BusMessages::begin(const RecordView& record, const std::string& store,
                           std::string_view what, std::string_view topic) const {
    Message message{.id = store + ":" + std::to_string(record.epoch.value) + ":" +
                          std::to_string(record.seq.value) + ":" + std::string(what),
                    .topic = options_.subjects.subject(topic),
                    .type = std::string(topic),
                    .trace = std::string(record.trace)};
    message.headers.emplace_back("type", message.type);
    return message;
}

void BusMessages::add_result(const RecordView& record, const std::string& store,
                             std::vector<Message>* messages) const {
    Message message = begin(record, store, "result", kResult);
    append_answer_json(message.body, outcome_of(record));
    if (auto key = conflict_key(record))
        message.headers.emplace_back(std::string(kConflictKey), *std::move(key));
    message.body.pop_back();
    std::string more;
    JsonObject json(more);
    json.text("actor", record.actor).text("ts", to_text(record.ts));
    if (!record.door.empty()) json.text("door", record.door);
    if (const std::string id = told_text(cause_tree(record), "correlationId"); !id.empty()) {
        json.text("correlationId", id);
        message.headers.emplace_back("correlationid", id);
    }
    json.close();
    message.body += "," + more.substr(1);
    messages->push_back(std::move(message));
}

Status BusMessages::add_changes(const RecordView& record, const std::string& store,
                                std::vector<Message>* messages) const {
    if (record.kind != Kind::accepted || record.body.empty())
        return Ok{};  // erased: nothing to tell
    std::size_t index = 0;
    Folder folder;
    return folder.fold(record, [&](std::string_view key, const EntryView& entry) -> Status {
        Message message = begin(record, store, "changed:" + std::to_string(index++), kChanged);
        message.topic += "." + bus_subject_of_key(key);
        JsonObject json(message.body);
        json.text("key", key);
        if (entry.deleted) {
            json.null("entry");
        } else {
            append_entry_json(json.member("entry"), key, entry);
        }
        json.integer("version", entry.version.value)
            .integer("previousVersion", entry.version.value - 1)
            .text("id", record.id)
            .integer("epoch", record.epoch.value)
            .integer("seq", record.seq.value)
            .text("ts", to_text(record.ts))
            .text("actor", record.actor);
        if (!record.cause.empty()) json.raw("cause", record.cause);
        json.close();
        messages->push_back(std::move(message));
        return Ok{};
    });
}

Status BusMessages::add_dead_letter(const RecordView& record, const std::string& store,
                                    std::vector<Message>* messages) const {
    Message message = begin(record, store, "deadletter", kDeadLetter);
    const Json cause = cause_tree(record);
    Body body;
    if (!record.body.empty()) {
        SE_TRY(parsed, parse_body(record.body));
        body = std::move(parsed);
    }
    std::string correlation = told_text(cause, "correlationId");
    if (correlation.empty()) correlation = message.id;  // the real consumer drops one without
    std::string topic = told_text(cause, "topic"), type = told_text(cause, "messageType");
    if (topic.empty()) topic = kMutation;
    if (type.empty()) type = topic;
    message.headers.emplace_back("correlationid", correlation);

    JsonObject json(message.body);
    json.text("correlationId", correlation)
        .text("type", kDeadLetter)
        .text("source", kTeller)
        .text("sourceTopic", topic);
    JsonObject payload(json.member("payload"));
    payload.text("reason", record.code);
    JsonObject(payload.member("error"))
        .text("code", record.code)
        .text("message", body.message)
        .close();
    payload.text("originalType", type).close();
    // As it came: JSON as JSON, all else as the text that its record keeps.
    const auto claim = parse_json(body.claim.empty() ? "{}" : body.claim);
    if (const std::string text = claim ? told_text(*claim, "original") : ""; !text.empty()) {
        const auto original = parse_json(text, kTreeDepth);
        if (original) {
            json.raw("original", to_text(*original));
        } else {
            json.text("original", text);
        }
    } else {
        json.null("original");
    }
    if (const Json* const sequence = cause.find("sequence"); sequence != nullptr) {
        json.raw("place", record.cause);  // where the message lies in its stream
    }
    json.close();
    messages->push_back(std::move(message));
    return Ok{};
}

}  // namespace se
