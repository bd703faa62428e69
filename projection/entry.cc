#include "projection/entry.h"

#include <array>

#include "journal/base/assert.h"
#include "journal/base/json.h"
#include "journal/base/json_depth.h"
#include "journal/base/time_text.h"

namespace se {
namespace {

// An entry as it lies in LMDB. Numbers are LEB128 (seven bits a byte, lowest first); times are
// milliseconds since 1970, signed, zigzag. The same entry always gives the same bytes.
//
//   flags       1 byte: 1 tombstone, 2 has a deadline
//   version     number
//   seq         number            a tombstone ends here
//   updated at  time
//   deadline    time              only with flag 2
//   ttl         number            seconds, 0: none
//   lengths     5 numbers         of updated by, id, reason, metadata, cause
//   texts       those five        in that order
//   value       all that is left
constexpr std::uint8_t kTombstone = 1;
constexpr std::uint8_t kHasDeadline = 2;

void put_number(std::string& out, std::uint64_t value) {
    while (value >= 0x80) {
        out += static_cast<char>(value | 0x80);
        value >>= 7;
    }
    out += static_cast<char>(value);
}

void put_time(std::string& out, Time time) {
    const std::int64_t ms = time.time_since_epoch().count();
    put_number(out, (static_cast<std::uint64_t>(ms) << 1) ^ static_cast<std::uint64_t>(ms >> 63));
}

struct Decoder {
    std::string_view left;
    bool good = true;

    std::uint64_t number() {
        std::uint64_t value = 0;
        for (unsigned shift = 0; shift < 64 && !left.empty(); shift += 7) {
            const auto byte = static_cast<std::uint8_t>(left.front());
            left.remove_prefix(1);
            value |= std::uint64_t{byte & 0x7fu} << shift;
            if (byte >= 0x80) continue;
            // One form for each number: no empty last byte, no bits beyond 64.
            good = good && (shift == 0 || byte != 0) && (shift < 63 || byte == 1);
            return value;
        }
        good = false;
        return 0;
    }
    Time time() {
        const std::uint64_t zigzag = number();
        return Time(std::chrono::milliseconds(
            static_cast<std::int64_t>((zigzag >> 1) ^ (0 - (zigzag & 1)))));
    }
    std::string_view text(std::uint64_t length) {
        if (length > left.size()) {
            good = false;
            return {};
        }
        const std::string_view taken = left.substr(0, length);
        left.remove_prefix(length);
        return taken;
    }
};

void append_quoted(std::string& out, Time time) {
    out += '"';
    append_time(out, time);
    out += '"';
}

/// All that is shown of an entry but its key.
void append_members(JsonObject& object, const EntryView& entry) {
    SE_ASSERT(!entry.deleted);
    object.raw("value", entry.value);
    object.integer("version", entry.version.value).integer("seq", entry.seq.value);
    append_quoted(object.member("updatedAt"), entry.updated_at);
    object.text("updatedBy", entry.updated_by);
    if (entry.ttl != 0)
        object.integer("ttl", entry.ttl);
    else
        object.null("ttl");
    if (entry.expires_at) append_quoted(object.member("expiresAt"), *entry.expires_at);
    append_shown_metadata(object.member("metadata"), entry.reason, entry.metadata);
}

}  // namespace

EntryView::EntryView(const Entry& entry)
    : deleted(entry.deleted),
      version(entry.version),
      seq(entry.seq),
      updated_at(entry.updated_at),
      value(entry.value),
      updated_by(entry.updated_by),
      id(entry.id),
      reason(entry.reason),
      metadata(entry.metadata),
      cause(entry.cause),
      ttl(entry.ttl),
      expires_at(entry.expires_at) {}

Entry EntryView::to_entry() const {
    return Entry{.deleted = deleted,
                 .version = version,
                 .seq = seq,
                 .updated_at = updated_at,
                 .value = std::string(value),
                 .updated_by = std::string(updated_by),
                 .id = std::string(id),
                 .ttl = ttl,
                 .expires_at = expires_at,
                 .reason = std::string(reason),
                 .metadata = std::string(metadata),
                 .cause = std::string(cause)};
}

void encode_entry(std::string& out, const EntryView& entry) {
    std::uint8_t flags = 0;
    if (entry.deleted)
        flags = kTombstone;
    else if (entry.expires_at)
        flags = kHasDeadline;
    out += static_cast<char>(flags);
    put_number(out, entry.version.value);
    put_number(out, entry.seq.value);
    if (entry.deleted) return;
    put_time(out, entry.updated_at);
    if (entry.expires_at) put_time(out, *entry.expires_at);
    put_number(out, entry.ttl);
    const std::array texts = {entry.updated_by, entry.id, entry.reason, entry.metadata,
                              entry.cause};
    for (const std::string_view text : texts) put_number(out, text.size());
    for (const std::string_view text : texts) out += text;
    out += entry.value;
}

Result<EntryView> decode_entry(std::string_view bytes) {
    const auto damaged = [] { return Error{Errc::corruption, "projection: an entry is damaged"}; };
    if (bytes.empty()) return damaged();
    const auto flags = static_cast<std::uint8_t>(bytes.front());
    if (flags > kHasDeadline) return damaged();
    Decoder decoder{bytes.substr(1)};
    EntryView entry;
    entry.deleted = flags == kTombstone;
    entry.version = Version{decoder.number()};
    entry.seq = Seq{decoder.number()};
    if (entry.deleted) {
        if (!decoder.good || !decoder.left.empty()) return damaged();
        return entry;
    }
    entry.updated_at = decoder.time();
    if (flags == kHasDeadline) entry.expires_at = decoder.time();
    entry.ttl = decoder.number();
    std::array<std::uint64_t, 5> lengths{};
    for (std::uint64_t& length : lengths) length = decoder.number();
    entry.updated_by = decoder.text(lengths[0]);
    entry.id = decoder.text(lengths[1]);
    entry.reason = decoder.text(lengths[2]);
    entry.metadata = decoder.text(lengths[3]);
    entry.cause = decoder.text(lengths[4]);
    entry.value = decoder.left;
    if (!decoder.good) return damaged();
    return entry;
}

void append_entry_json(std::string& out, std::string_view key, const EntryView& entry) {
    JsonObject object(out);
    append_members(object.text("key", key), entry);
    object.close();
}

void append_entry_json(std::string& out, const EntryView& entry) {
    JsonObject object(out);
    append_members(object, entry);
    object.close();
}

std::string shown_metadata(std::string_view reason, std::string_view metadata) {
    std::string out;
    append_shown_metadata(out, reason, metadata);
    return out;
}

void append_shown_metadata(std::string& out, std::string_view reason, std::string_view metadata) {
    if (!metadata.empty()) {
        Result<Json> parsed = parse_json(metadata, kJsonDepthTrusted);
        if (parsed && parsed->is_object()) {
            if (parsed->find("source") == nullptr) parsed->set("source", Json(reason));
            return append_json(out, *parsed);
        }
    }
    JsonObject(out).text("source", reason).close();
}

}  // namespace se
