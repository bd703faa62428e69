#include "projection/firestore/documents.h"

#include "journal/base/hash.h"
#include "journal/base/json_depth.h"
#include "journal/base/time_text.h"
#include "journal/body_ops.h"

namespace se::firestore {
namespace {

std::int64_t signed_of(std::uint64_t number) {
    return static_cast<std::int64_t>(number);
}

Status add_json(Fields& fields, std::string_view name, std::string_view json) {
    SE_TRY(parsed, parse_json(json, kJsonDepthTrusted));
    fields.emplace_back(std::string(name), value_of(parsed));
    return Ok{};
}

void add(Fields& fields, std::string_view name, std::string_view text) {
    fields.emplace_back(std::string(name), Value{std::string(text)});
}

void add(Fields& fields, std::string_view name, std::uint64_t number) {
    fields.emplace_back(std::string(name), Value{signed_of(number)});
}

Value changes_of(const RecordView& record) {
    Value::Array changes;
    for (const RecordView::Change& change : record.changes) {
        Value::Map map;
        add(map, "key", change.key);
        add(map, "op", change.op);
        if (record.kind == Kind::accepted) add(map, "version", change.version.value);
        changes.push_back({std::move(map)});
    }
    return {std::move(changes)};
}

/// What a proposal with one op said.
Status add_single(Fields& fields, const RecordView& record, const Body& body) {
    const RecordView::Change& change = record.changes.front();
    add(fields, "op", change.op);
    add(fields, "key", change.key);
    if (record.kind == Kind::accepted) add(fields, "resultingVersion", change.version.value);
    if (!body.args.empty()) return add_json(fields, "value", body.args.front());
    if (change.op != "delete" && !body.values.empty())
        return add_json(fields, "value", body.values.front());
    return Ok{};
}

Status add_body(Fields& fields, const RecordView& record) {
    SE_TRY(body, parse_body(record.body));
    add(fields, "reason", body.reason);
    add(fields, "ts", body.ts.empty() ? to_text(record.ts) : body.ts);
    if (body.expected_version) add(fields, "expectedVersion", *body.expected_version);
    if (body.ttl) add(fields, "ttl", *body.ttl);
    if (!body.metadata.empty()) SE_TRY_OK(add_json(fields, "metadata", body.metadata));
    if (record.kind == Kind::rejected) add(fields, "error", body.message);
    if (body.ops.empty() && record.changes.size() == 1) return add_single(fields, record, body);
    if (!body.ops.empty()) {
        SE_TRY(ops, ops_of(record, body));
        fields.emplace_back("ops", value_of(ops));
    }
    if (!record.changes.empty()) fields.emplace_back("changes", changes_of(record));
    return Ok{};
}

std::optional<std::uint64_t> count_in(const Fields& fields, std::string_view name) {
    const Value* const value = find(fields, name);
    const std::int64_t* const number = value == nullptr ? nullptr : value->as<std::int64_t>();
    if (number == nullptr || *number < 0) return std::nullopt;
    return static_cast<std::uint64_t>(*number);
}

std::optional<std::string> text_in(const Fields& fields, std::string_view name) {
    const Value* const value = find(fields, name);
    const std::string* const text = value == nullptr ? nullptr : value->as<std::string>();
    if (text == nullptr) return std::nullopt;
    return *text;
}

}  // namespace

bool is_legal_id(std::string_view id) {
    if (id.empty() || id.size() > kDocumentIdBytesMax || id == "." || id == "..") return false;
    if (id.size() >= 4 && id.starts_with("__") && id.ends_with("__")) return false;
    return id.find('/') == std::string_view::npos;
}

std::string log_id(const RecordView& record) {
    if (is_legal_id(record.id) && !record.id.starts_with('~')) return std::string(record.id);
    if (!record.id.empty()) return "~" + to_hex(sha256(record.id));
    return "~" + to_hex(sha256(std::to_string(record.epoch.value) + "." +
                               std::to_string(record.seq.value)));
}

std::string state_path(std::string_view key) {
    return std::string(kStateCollection) + "/" + std::string(key);
}

std::size_t document_bytes(std::string_view path, const Fields& fields) {
    // Of the name each segment and one more, and 16; 32 for the document.
    return path.size() + 1 + 16 + bytes_of(fields) + 32;
}

std::string why_not_storable(std::string_view path, const Fields& fields) {
    const std::size_t bytes = document_bytes(path, fields);
    if (bytes > kDocumentBytesMax) {
        return "the document would be " + std::to_string(bytes) + " bytes; Firestore's limit is " +
               std::to_string(kDocumentBytesMax);
    }
    const std::size_t slash = path.find('/');
    if (slash == std::string_view::npos || !is_legal_id(path.substr(slash + 1)))
        return "Firestore takes no document of that name";
    return {};
}

Result<Fields> state_fields(const EntryView& entry) {
    SE_ASSERT(!entry.deleted);
    Fields fields;
    SE_TRY_OK(add_json(fields, "value", entry.value));
    add(fields, "updatedAt", to_text(entry.updated_at));
    add(fields, "updatedBy", entry.updated_by);
    add(fields, "version", entry.version.value);
    fields.emplace_back("ttl", entry.ttl == 0 ? Value{nullptr} : Value{signed_of(entry.ttl)});
    SE_TRY_OK(add_json(fields, "metadata", shown_metadata(entry.reason, entry.metadata)));
    add(fields, "seq", entry.seq.value);
    if (entry.expires_at) fields.emplace_back("expiresAt", Value{timestamp_of(*entry.expires_at)});
    sort(fields);
    return fields;
}

std::optional<std::string> log_path(const RecordView& record) {
    if (record.kind != Kind::accepted && record.kind != Kind::rejected) return std::nullopt;
    return std::string(kLogCollection) + "/" + log_id(record);
}

Result<Fields> log_fields(const RecordView& record) {
    Fields fields;
    add(fields, "id", record.id);
    add(fields, "actor", record.actor);
    add(fields, "committedAt", to_text(record.ts));
    add(fields, "status", to_text(record.kind));
    add(fields, "seq", record.seq.value);
    add(fields, "epoch", record.epoch.value);
    if (!record.code.empty()) add(fields, "code", record.code);
    if (!record.principal.empty()) add(fields, "principal", record.principal);
    if (!record.cause.empty()) SE_TRY_OK(add_json(fields, "cause", record.cause));
    if (record.erased.empty()) {
        SE_TRY_OK(add_body(fields, record));
    } else {
        fields.emplace_back("erased", Value{true});
        fields.emplace_back("changes", changes_of(record));
    }
    sort(fields);
    return fields;
}

Fields mark_fields(const Mark& mark, std::uint64_t commit) {
    Fields fields;
    add(fields, "store", mark.store);
    add(fields, "epoch", mark.epoch.value);
    add(fields, "run", mark.run);
    add(fields, "seq", mark.seq.value);
    if (mark.bootstrap) add(fields, "bootstrap", mark.bootstrap->value);
    if (mark.bootstrap) add(fields, "until", mark.until.value);
    if (commit != 0) add(fields, "commit", commit);
    sort(fields);
    return fields;
}

std::optional<Mark> mark_of(const Fields& fields) {
    const auto store = text_in(fields, "store");
    const auto run = text_in(fields, "run");
    const auto epoch = count_in(fields, "epoch");
    const auto seq = count_in(fields, "seq");
    if (!store || !run || !epoch || !seq) return std::nullopt;
    Mark mark{
        .store = *store, .epoch = Epoch{*epoch}, .run = *run, .seq = Seq{*seq}, .bootstrap = {}};
    if (const auto bootstrap = count_in(fields, "bootstrap")) mark.bootstrap = Seq{*bootstrap};
    mark.until = Seq{count_in(fields, "until").value_or(0)};
    return mark;
}

}  // namespace se::firestore
