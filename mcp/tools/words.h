#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "journal/base/json.h"
#include "mcp/registry.h"
#include "mcp/state_door.h"

namespace se::mcp {

// Words that all tools use: arguments, what a caller may see, and how things are shown.

/// The arguments of a call, read one by one. The first thing wrong is kept, in words for the model.
class Arguments {
public:
    explicit Arguments(const Json& object) : object_(object) {}

    // Absent and null are the same.
    std::optional<std::string> text(std::string_view name);
    std::string needed_text(std::string_view name);
    /// Each once. They last as long as the arguments.
    std::vector<std::string_view> needed_texts(std::string_view name, std::size_t count_max);
    std::uint64_t integer(std::string_view name, std::uint64_t fallback, std::uint64_t min,
                          std::uint64_t max);
    bool boolean(std::string_view name, bool fallback);

    void wrong(std::string text) {
        if (problem_.empty()) problem_ = std::move(text);
    }
    const std::string& problem() const { return problem_; }  ///< empty: all is well

private:
    const Json* find(std::string_view name) const;

    const Json& object_;
    std::string problem_;
};

/// Whether the caller may know anything of a key. Every tool, resource and subscription asks here.
bool may_see(const Caller& caller, std::string_view key);
/// StateDoor::list() of what the caller may see.
Result<std::vector<std::pair<std::string, Entry>>> list_seen(StateDoor& door, const Caller& caller,
                                                             std::string_view prefix,
                                                             std::string_view after, std::size_t limit);
/// The keys of these alone. The entries come along inside, few at once: however large they are, they are never all
/// in memory.
Result<std::vector<std::string>> keys_seen(StateDoor& door, const Caller& caller, std::string_view prefix,
                                           std::string_view after, std::size_t limit);
/// What the caller may write of the allowed keys, as patterns, for the model: "a, b.* (a trailing '*' denotes a
/// prefix)", or "none".
std::string writable_keys(StateDoor& door, const Caller& caller);

/// StateSnapshot of CONTRACTS 1.1: {"value","updatedAt","updatedBy","version","ttl","metadata"}.
void append_snapshot(std::string& out, const EntryView& entry);
/// A JSON text as JSON.stringify(…, null, 2) shows it, members in the order they have.
std::string indented(std::string_view compact_json);
/// text_block() of that, written at once.
std::string indented_block(std::string_view compact_json);
/// What most tools answer: an object, and the same as text.
ToolOutcome object_outcome(ToolOutcome::Kind kind, std::string structured_json);
/// `"asOf":{"epoch","seq"},"bookmark":"EPOCH.SEQ"`, and `"stale":true,"whyStale"` when it is.
void append_as_of(JsonObject& out, const StateDoor::AsOf& as_of);

/// What cannot be done now, whoever asks: {"code":"unavailable","message","reason"?,"next"}.
ToolOutcome fault_of(const Error& error);
/// A "no" that the model can act on: {"status":"rejected","code","message","next"}.
ToolOutcome refusal(Code code, std::string_view message, std::string_view next);
ToolOutcome not_readable(std::string_view key);
/// The end of an output schema, behind its properties: what an answer has, a list of names, or what the two above say.
/// Clients check these, too.
std::string answer_or_refusal(std::string_view required_json);
/// What helps when a reason of `unavailable` passes by itself, and what when it does not. `again` says what to do then.
std::string when_unavailable(std::string_view reason, std::string_view again);
std::string joined(const std::vector<std::string>& parts, std::string_view between = ", ");

}  // namespace se::mcp
