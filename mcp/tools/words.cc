#include "mcp/tools/words.h"

#include <algorithm>

#include "journal/base/time_text.h"
#include "journal/body.h"

namespace se::mcp {
namespace {

// Of entries that are only looked at for their keys: so many at first, then as many as are about so many bytes.
constexpr std::size_t kEntriesFirst = 8;
constexpr std::size_t kEntriesAtOnce = 512;
constexpr std::size_t kEntryBytesAtOnce = 1u << 20;

std::string quoted(std::string_view name) { return "'" + std::string(name) + "'"; }

/// An indented JSON text as it is.
struct AsText {
    static constexpr std::string_view kNewLine = "\n";
    static void append_string(std::string& out, std::string_view literal) { out += literal; }
};
/// The same as the inside of a JSON string. Nothing else in it needs an escape.
struct InString {
    static constexpr std::string_view kNewLine = "\\n";
    static void append_string(std::string& out, std::string_view literal) { append_escaped(out, literal); }
};

/// What LMDB holds has no checksum: a damaged text is laid out somehow, and shown.
template <class Form>
void append_indented(std::string& out, std::string_view compact_json) {
    std::size_t depth = 0;
    const auto new_line = [&] {
        out += Form::kNewLine;
        out.append(2 * depth, ' ');
    };
    for (std::size_t i = 0; i < compact_json.size(); ++i) {
        const char c = compact_json[i];
        switch (c) {
            case '"': {
                const std::size_t end = json_string_end(compact_json, i);
                Form::append_string(out, compact_json.substr(i, end - i));
                i = end - 1;
                break;
            }
            case '{':
            case '[':
                out += c;
                if (compact_json.substr(i + 1).starts_with(c == '{' ? '}' : ']')) {
                    out += compact_json[++i];
                } else {
                    ++depth;
                    new_line();
                }
                break;
            case '}':
            case ']':
                if (depth > 0) --depth;
                new_line();
                out += c;
                break;
            case ',':
                out += c;
                new_line();
                break;
            case ':': out += ": "; break;
            default: out += c;
        }
    }
}

}  // namespace

const Json* Arguments::find(std::string_view name) const {
    const Json* member = object_.find(name);
    return member != nullptr && member->is_null() ? nullptr : member;
}

std::optional<std::string> Arguments::text(std::string_view name) {
    const Json* member = find(name);
    if (member == nullptr) return std::nullopt;
    if (member->is_string()) return member->string();
    wrong(quoted(name) + " must be a string");
    return std::nullopt;
}

std::string Arguments::needed_text(std::string_view name) {
    if (find(name) == nullptr) wrong(quoted(name) + " is missing: a string");
    return text(name).value_or("");
}

std::vector<std::string_view> Arguments::needed_texts(std::string_view name, std::size_t count_max) {
    const Json* member = find(name);
    std::vector<std::string_view> all;
    const bool sound = member != nullptr && member->is_array() &&
                       std::ranges::all_of(member->array(), [](const Json& one) { return one.is_string(); });
    if (!sound) {
        wrong(quoted(name) + (member == nullptr ? " is missing: a list of strings"
                                                : " must be a list of strings"));
        return all;
    }
    if (member->array().size() > count_max) {
        wrong(quoted(name) + " has " + std::to_string(member->array().size()) + " items, at most " +
              std::to_string(count_max) + " at once");
        return all;
    }
    for (const Json& one : member->array()) {
        if (std::ranges::find(all, one.string()) == all.end()) all.push_back(one.string());
    }
    return all;
}

std::uint64_t Arguments::integer(std::string_view name, std::uint64_t fallback, std::uint64_t min,
                                 std::uint64_t max) {
    const Json* member = find(name);
    if (member == nullptr) return fallback;
    if (member->is_integer() && member->integer() >= 0) {
        const auto value = static_cast<std::uint64_t>(member->integer());
        if (value >= min && value <= max) return value;
    }
    wrong(quoted(name) + " must be a whole number from " + std::to_string(min) +
          (max >= INT64_MAX ? " on" : " to " + std::to_string(max)));
    return fallback;
}

bool Arguments::boolean(std::string_view name, bool fallback) {
    const Json* member = find(name);
    if (member == nullptr) return fallback;
    if (member->is_bool()) return member->boolean();
    wrong(quoted(name) + " must be true or false");
    return fallback;
}

bool may_see(const Caller& caller, std::string_view key) { return caller.may_read(key); }

Result<std::vector<std::pair<std::string, Entry>>> list_seen(StateDoor& door, const Caller& caller,
                                                             std::string_view prefix,
                                                             std::string_view after,
                                                             std::size_t limit) {
    if (caller.reads_everything()) return door.list(prefix, after, limit);
    // Range by range: what may not be read costs nothing, so time tells nothing of it.
    std::vector<std::pair<std::string, Entry>> all;
    for (const Patterns::Range& range : caller.rights->read.within(prefix)) {
        if (all.size() >= limit) break;
        if (range.alone) {
            if (!after.empty() && range.text <= after) continue;
            SE_TRY(entry, door.get(range.text));
            if (entry && !entry->deleted) all.emplace_back(range.text, entry->to_entry());
            continue;
        }
        SE_TRY(some, door.list(range.text, after, limit - all.size()));
        std::ranges::move(some, std::back_inserter(all));
    }
    std::erase_if(all, [&](const auto& one) { return !may_see(caller, one.first); });
    return all;
}

Result<std::vector<std::string>> keys_seen(StateDoor& door, const Caller& caller, std::string_view prefix,
                                           std::string_view after, std::size_t limit) {
    std::vector<std::string> keys;
    std::string from(after);
    for (std::size_t slice = std::min(kEntriesFirst, limit); keys.size() < limit;) {
        SE_TRY(found, list_seen(door, caller, prefix, from, slice));
        std::size_t bytes = 1;
        for (auto& [key, entry] : found) {
            bytes += key.size() + entry.value.size() + entry.metadata.size();
            keys.push_back(std::move(key));
        }
        if (found.size() < slice) break;
        from = keys.back();
        slice = std::clamp<std::size_t>(kEntryBytesAtOnce * found.size() / bytes, 1, kEntriesAtOnce);
        slice = std::min(slice, limit - keys.size());
    }
    return keys;
}

std::string writable_keys(StateDoor& door, const Caller& caller) {
    std::vector<std::string> patterns = door.allowed_keys();
    if (caller.rights != nullptr && !caller.rights->write.matches_all()) {
        std::vector<std::string> mine;
        const auto add = [&](std::string pattern) {
            if (std::ranges::find(mine, pattern) == mine.end()) mine.push_back(std::move(pattern));
        };
        for (const std::string& allowed : patterns) {
            if (!allowed.ends_with('*')) {
                if (caller.may_write(allowed)) add(allowed);
                continue;
            }
            for (const Patterns::Range& range :
                 caller.rights->write.within(std::string_view(allowed).substr(0, allowed.size() - 1)))
                add(range.text + (range.alone ? "" : "*"));
        }
        patterns = std::move(mine);
    }
    return patterns.empty() ? "none" : joined(patterns) + " (a trailing '*' denotes a prefix)";
}

void append_snapshot(std::string& out, const EntryView& entry) {
    JsonObject snapshot(out);
    snapshot.raw("value", entry.value)
        .text("updatedAt", se::to_text(entry.updated_at))
        .text("updatedBy", entry.updated_by)
        .integer("version", entry.version.value);
    if (entry.ttl == 0) {
        snapshot.null("ttl");
    } else {
        snapshot.integer("ttl", entry.ttl);
    }
    append_shown_metadata(snapshot.member("metadata"), entry.reason, entry.metadata);
    snapshot.close();
}

std::string indented(std::string_view compact_json) {
    std::string out;
    out.reserve(compact_json.size() * 2);
    append_indented<AsText>(out, compact_json);
    return out;
}

std::string indented_block(std::string_view compact_json) {
    std::string out;
    out.reserve(compact_json.size() * 2 + 64);
    JsonObject block(out);
    block.text("type", "text").member("text") += '"';
    append_indented<InString>(out, compact_json);
    out += '"';
    block.close();
    return out;
}

ToolOutcome object_outcome(ToolOutcome::Kind kind, std::string structured_json) {
    std::string block = indented_block(structured_json);
    return ToolOutcome::of_block(kind, std::move(block), std::move(structured_json));
}

void append_as_of(JsonObject& out, const StateDoor::AsOf& as_of) {
    JsonObject(out.member("asOf"))
        .integer("epoch", as_of.epoch.value)
        .integer("seq", as_of.seq.value)
        .close();
    out.text("bookmark", to_text(Cursor{as_of.epoch, as_of.seq}));
    if (as_of.stale) out.boolean("stale", true).text("whyStale", as_of.why_stale);
}

ToolOutcome fault_of(const Error& error) {
    std::string structured;
    JsonObject json(structured);
    json.text("code", se::to_text(Code::unavailable)).text("message", error.text);
    if (const std::string_view reason = reason_of(error.code); !reason.empty()) json.text("reason", reason);
    json.text("next", "Nothing is wrong with your call. " +
                          when_unavailable(reason_of(error.code), "try the same again."))
        .close();
    return object_outcome(ToolOutcome::Kind::fault, std::move(structured));
}

ToolOutcome refusal(Code code, std::string_view message, std::string_view next) {
    std::string structured;
    JsonObject(structured)
        .text("status", "rejected")
        .text("code", se::to_text(code))
        .text("message", message)
        .text("next", next)
        .close();
    return object_outcome(ToolOutcome::Kind::refused, std::move(structured));
}

ToolOutcome not_readable(std::string_view key) {
    return refusal(Code::actor_not_permitted, "You may not read the key " + std::string(key) + ".",
                   "Trying again will not help. Tell whoever asked you.");
}

std::string answer_or_refusal(std::string_view required_json) {
    return R"("anyOf":[{"required":)" + std::string(required_json) + R"(},{"required":["code","message","next"]}])";
}

std::string when_unavailable(std::string_view reason, std::string_view again) {
    if (reason == reason_of(Errc::corruption))
        return "What is stored is damaged; trying again does not help until somebody has repaired it. Tell whoever "
               "runs this server.";
    if (reason == reason_of(Errc::no_space))
        return "The disk is full. Tell whoever runs this server; when there is room again, " + std::string(again);
    return "Wait a moment, then " + std::string(again);
}

std::string joined(const std::vector<std::string>& parts, std::string_view between) {
    std::string out;
    for (const std::string& part : parts) {
        if (!out.empty()) out += between;
        out += part;
    }
    return out;
}

}  // namespace se::mcp
