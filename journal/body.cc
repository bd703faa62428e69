#include "journal/body.h"

#include <algorithm>

#include "journal/base/json.h"
#include "journal/base/time_text.h"
#include "journal/text_cursor.h"

namespace se {
namespace {

Error not_a_body(std::string_view what) {
    return Error{Errc::corruption, "not a record body: " + std::string(what)};
}

void append_texts(JsonObject& object, std::string& out, std::string_view name,
                  const std::vector<std::string>& json_texts) {
    if (json_texts.empty()) return;
    object.member(name);
    char before = '[';
    for (const std::string& json : json_texts) {
        out += before;
        out += json;
        before = ',';
    }
    out += ']';
}

void append_entry(std::string& out, const Body::EntryMembers& entry) {
    JsonObject object(out);
    if (entry.ttl != 0) object.integer("ttl", entry.ttl);
    if (entry.expires_at) object.text("expiresAt", to_text(*entry.expires_at));
    if (!entry.metadata.empty()) object.raw("metadata", entry.metadata);
    object.close();
}

/// Walks over the members of an object. `take_member(name)` must pass the value.
template <class TakeMember>
bool each_member(TextCursor& cursor, TakeMember take_member) {
    if (!cursor.take('{')) return false;
    if (cursor.take('}')) return true;
    do {
        std::string_view name;
        bool escaped = false;
        if (!cursor.string(&name, &escaped) || !cursor.take(':') || !take_member(name)) {
            return false;
        }
    } while (cursor.take(','));
    return cursor.take('}');
}

/// Walks over the elements of an array. `take_element()` must pass one.
template <class TakeElement>
bool each_element(TextCursor& cursor, TakeElement take_element) {
    if (!cursor.take('[')) return false;
    if (cursor.take(']')) return true;
    do {
        if (!take_element()) return false;
    } while (cursor.take(','));
    return cursor.take(']');
}

bool skip(TextCursor& cursor) {
    std::string_view ignored;
    return cursor.value(&ignored);
}

/// The members of one of `entries`, into anything that has them.
template <class Entry>
bool take_entry(TextCursor& cursor, Entry* entry) {
    return each_member(cursor, [&](std::string_view name) {
        if (name == "ttl") return cursor.integer(&entry->ttl);
        if (name == "expiresAt") return cursor.quoted_time(&entry->expires_at.emplace());
        if (name == "metadata") {
            std::string_view metadata;
            if (!cursor.object(&metadata)) return false;
            entry->metadata = metadata;
            return true;
        }
        return skip(cursor);
    });
}

bool take_raw(TextCursor& cursor, std::string* json) {
    std::string_view raw;
    if (!cursor.value(&raw)) return false;
    json->assign(raw);
    return true;
}

bool take_raws(TextCursor& cursor, std::vector<std::string>* json_texts) {
    return each_element(cursor, [&] { return take_raw(cursor, &json_texts->emplace_back()); });
}

bool take_basis(TextCursor& cursor, Body::Basis* basis) {
    return each_member(cursor, [&](std::string_view name) {
        if (name == "key") return cursor.text(&basis->key);
        if (name == "seq") return cursor.integer(&basis->seq.value);
        return skip(cursor);
    });
}

bool take_member(TextCursor& cursor, std::string_view name, Body* body) {
    if (name == "reason") return cursor.text(&body->reason);
    if (name == "metadata") return cursor.sees("{") && take_raw(cursor, &body->metadata);
    if (name == "values") return take_raws(cursor, &body->values);
    if (name == "entries") {
        return each_element(cursor,
                            [&] { return take_entry(cursor, &body->entries.emplace_back()); });
    }
    if (name == "args") return take_raws(cursor, &body->args);
    if (name == "ops") return cursor.sees("[") && take_raw(cursor, &body->ops);
    if (name == "ttl") return cursor.integer(&body->ttl.emplace());
    if (name == "expectedVersion") return cursor.integer(&body->expected_version.emplace());
    if (name == "basis") {
        return each_element(cursor,
                            [&] { return take_basis(cursor, &body->basis.emplace_back()); });
    }
    if (name == "ts") return cursor.text(&body->ts);
    if (name == "claim") return cursor.sees("{") && take_raw(cursor, &body->claim);
    if (name == "fired") return cursor.sees("[") && take_raw(cursor, &body->fired);
    if (name == "message") return cursor.text(&body->message);
    if (name == "found") return cursor.integer(&body->found.emplace());
    return skip(cursor);
}

}  // namespace

Time deadline(Time ts, std::uint64_t ttl_seconds) {
    using namespace std::chrono;
    constexpr Time kLast = sys_days{year{9999} / December / 31} + hours{24} - milliseconds{1};
    const auto room = duration_cast<seconds>(kLast - std::min(ts, kLast)).count();
    if (ttl_seconds > static_cast<std::uint64_t>(room)) return kLast;
    return ts + seconds{ttl_seconds};
}

void encode_body(std::string& out, const Body& body) {
    JsonObject object(out);
    if (!body.reason.empty()) object.text("reason", body.reason);
    if (!body.metadata.empty()) object.raw("metadata", body.metadata);
    append_texts(object, out, "values", body.values);
    if (!body.entries.empty()) {
        object.member("entries");
        char before = '[';
        for (const Body::EntryMembers& entry : body.entries) {
            out += before;
            append_entry(out, entry);
            before = ',';
        }
        out += ']';
    }
    append_texts(object, out, "args", body.args);
    if (!body.ops.empty()) object.raw("ops", body.ops);
    if (body.ttl) object.integer("ttl", *body.ttl);
    if (body.expected_version) object.integer("expectedVersion", *body.expected_version);
    if (!body.basis.empty()) {
        object.member("basis");
        char before = '[';
        for (const Body::Basis& basis : body.basis) {
            out += before;
            JsonObject pair(out);
            pair.text("key", basis.key).integer("seq", basis.seq.value);
            pair.close();
            before = ',';
        }
        out += ']';
    }
    if (!body.ts.empty()) object.text("ts", body.ts);
    if (!body.claim.empty()) object.raw("claim", body.claim);
    if (!body.fired.empty()) object.raw("fired", body.fired);
    if (!body.message.empty()) object.text("message", body.message);
    if (body.found) object.integer("found", *body.found);
    object.close();
}

Result<Body> parse_body(std::string_view json) {
    Body body;
    TextCursor cursor(json);
    std::string_view last = "its start";
    const bool whole = each_member(cursor, [&](std::string_view name) {
        last = name;
        return take_member(cursor, name, &body);
    });
    if (!whole || !cursor.at_end()) return not_a_body(last);
    return body;
}

Status parse_post_images(std::string_view body_json, Time ts, std::size_t changes,
                         PostImages* out) {
    out->reason.clear();
    out->changes.clear();
    std::string_view metadata;
    std::uint64_t ttl = 0;
    std::size_t entries = 0;
    bool has_entries = false;
    TextCursor cursor(body_json);

    const auto take_value = [&] { return cursor.value(&out->changes.emplace_back().value); };
    const auto take_one_entry = [&] {
        if (entries == out->changes.size()) return false;  // `values` comes before `entries`
        return take_entry(cursor, &out->changes[entries++]);
    };
    const bool whole = each_member(cursor, [&](std::string_view name) {
        if (name == "values") return each_element(cursor, take_value);
        if (name == "reason") return cursor.text(&out->reason);
        if (name == "metadata") return cursor.object(&metadata);
        if (name == "ttl") return cursor.integer(&ttl);
        if (name == "entries") {
            has_entries = true;
            return each_element(cursor, take_one_entry);
        }
        return skip(cursor);
    });
    if (!whole || !cursor.at_end()) return not_a_body("what the fold needs of it");
    if (out->changes.size() != changes) return not_a_body("not one value for each change");
    if (has_entries && entries != changes) return not_a_body("not one entry for each change");
    if (has_entries) return Ok{};
    for (PostImage& image : out->changes) {
        image.metadata = metadata;
        image.ttl = ttl;
        if (ttl != 0) image.expires_at = deadline(ts, ttl);
    }
    return Ok{};
}

}  // namespace se
