// GET /v1/state/{key} and GET /v1/state: reads, each at one seq.

#include <algorithm>

#include "engine/api/core.h"
#include "engine/intake/proposal.h"
#include "journal/base/json.h"

namespace se {
namespace {

/// What is shown of a key without an entry: `entry` is its tombstone, if there is one.
void append_absent(std::string& out, std::string_view key, const std::optional<EntryView>& entry) {
    JsonObject json(out);
    json.text("key", key).null("value").integer("version", entry ? entry->version.value : 0);
    if (entry) json.integer("seq", entry->seq.value).boolean("deleted", true);
    json.text("code", to_text(Code::not_found)).close();
}

/// What is shown of a key that the caller may not read, whether there is one or not.
void append_unreadable(std::string& out, std::string_view key) {
    JsonObject(out)
        .text("key", key)
        .null("value")
        .integer("version", 0)
        .text("code", to_text(Code::actor_not_permitted))
        .close();
}

/// Appends `,"asOf":…}` in place of the brace that closes the object at the end of `out`.
void close_with_as_of(std::string& out, const Engine& engine) {
    out.back() = ',';
    append_as_of(out, engine);
    out += '}';
}

Problem not_there_yet(const ApiCore& core, std::uint64_t min_seq) {
    if (core.engine == nullptr) return unavailable(core);
    return {.status = 503,
            .code = Code::unavailable,
            .message = "the state is as of seq " + std::to_string(core.engine->applied().seq.value) +
                       ", not yet of " + std::to_string(min_seq),
            .reason = "overloaded",
            .retry_after_ms = 100};
}

/// Calls `go_on` with a living engine whose state is as of min_seq or later, or tells why not.
void when_due(ApiCore& core, Exchange&& exchange, void (*go_on)(ApiCore&, Exchange&)) {
    SE_OR_REPLY(min_seq, exchange, exchange.query.integer("min_seq", 0, 0, UINT64_MAX));
    SE_OR_REPLY(wait, exchange, exchange.query.duration("timeout", kMinSeqWait, kMinSeqWaitMax));
    if (core.engine == nullptr) return reply_problem(exchange.reply, unavailable(core));
    if (core.engine->applied().seq.value >= min_seq) return go_on(core, exchange);
    exchange.request.body = {};  // means nothing here, and might be held for long
    auto kept = std::make_shared<Exchange>(std::move(exchange));
    const std::uint64_t generation = core.gate.generation();
    core.wait_for(Seq{min_seq}, wait, [&core, min_seq, kept, go_on, generation](bool reached) {
        if (const auto problem = core.why_over(kept->caller, generation))
            return reply_problem(kept->reply, *problem);
        if (!reached || core.engine == nullptr)
            return reply_problem(kept->reply, not_there_yet(core, min_seq));
        go_on(core, *kept);
    });
}

void send_entry(ApiCore& core, Exchange& exchange) {
    Engine& engine = *core.engine;
    const std::string& key = exchange.argument;
    if (const auto problem = check_key(engine, key)) return reply_problem(exchange.reply, *problem);
    if (const auto problem = check_readable(exchange.caller, key))
        return reply_problem(exchange.reply, *problem);
    const auto found = engine.view(key);
    if (!found) return reply_problem(exchange.reply, unavailable(found.error()));

    Response response;
    if (!*found || (*found)->deleted) {
        response.status = 404;
        append_absent(response.body, key, *found);
    } else {
        const EntryView& entry = **found;
        std::string etag = "\"" + std::to_string(entry.version.value) + "\"";
        if (exchange.request.header("if-none-match") == etag) {
            response.status = 304;
        } else {
            response.body.reserve(entry.value.size() + entry.metadata.size() + 384);
            append_entry_json(response.body, key, entry);
        }
        response.headers.emplace_back("ETag", std::move(etag));
    }
    if (response.status != 304) {
        close_with_as_of(response.body, engine);
        response.body += '\n';
    }
    exchange.reply(std::move(response));
}

void send_keys(ApiCore& core, Exchange& exchange) {
    Engine& engine = *core.engine;
    const std::vector<std::string> keys = exchange.query.all("key");
    if (keys.size() > kKeysMax) {
        return reply_problem(exchange.reply, malformed("at most " + std::to_string(kKeysMax) +
                                                           " keys in one read",
                                                       "key"));
    }
    Response response;
    response.body = "{\"entries\":[";
    for (const std::string& key : keys) {
        if (const auto problem = check_key(engine, key))
            return reply_problem(exchange.reply, *problem);
        if (response.body.back() != '[') response.body += ',';
        if (!exchange.caller.may_read(key)) {
            append_unreadable(response.body, key);
            continue;
        }
        // Nothing else runs between these reads, so they are all of one seq.
        const auto entry = engine.view(key);
        if (!entry) return reply_problem(exchange.reply, unavailable(entry.error()));
        if (*entry && !(*entry)->deleted) {
            append_entry_json(response.body, key, **entry);
        } else {
            append_absent(response.body, key, *entry);
        }
        if (response.body.size() > 8 * kPageBytes) {
            return reply_problem(exchange.reply,
                                 {.status = 413,
                                  .code = Code::too_large,
                                  .message = "these entries are more than " +
                                             std::to_string(8 * kPageBytes) +
                                             " bytes together: ask for fewer",
                                  .pointer = "key"});
        }
    }
    response.body += "]}";
    close_with_as_of(response.body, engine);
    response.body += '\n';
    exchange.reply(std::move(response));
}

/// A page of a list on its way: entries as long as there is room, and whether one more would have followed.
struct Page {
    Engine& engine;
    std::string body = "{\"entries\":[";
    std::uint64_t left;
    std::string last;   ///< the key shown last, or where the page begins
    bool more = false;  ///< there is an entry that found no room

    bool full() const { return left == 0 || body.size() >= kPageBytes; }

    void add(const std::string& key, const EntryView& entry) {
        if (body.back() != '[') body += ',';
        append_entry_json(body, key, entry);
        last = key;
        --left;
    }

    Status add_one(const std::string& key) {
        SE_TRY(entry, engine.view(key));
        if (!entry || entry->deleted) return Ok{};
        if (full()) {
            more = true;
        } else {
            add(key, *entry);
        }
        return Ok{};
    }

    /// In slices, so that a page of large values is cut at its bytes before it is all in memory. One
    /// more than asked for tells whether a page follows.
    Status add_all(const std::string& prefix, std::string after) {
        std::size_t slice = 8;
        for (;;) {
            const std::size_t want = std::min<std::size_t>(slice, left + 1);
            SE_TRY(entries, engine.list(prefix, after, want));
            const std::size_t before = body.size();
            for (const auto& [key, entry] : entries) {
                if (full()) {
                    more = true;
                    return Ok{};
                }
                add(key, entry);
            }
            if (entries.size() < want) return Ok{};
            after = entries.back().first;
            const std::size_t average = std::max<std::size_t>((body.size() - before) / want, 1);
            const std::size_t room = kPageBytes - std::min(kPageBytes, body.size());
            slice = std::clamp<std::size_t>(room / average, 1, 1000);
        }
    }
};

void send_list(ApiCore& core, Exchange& exchange) {
    Engine& engine = *core.engine;
    const Settings::Http& http = core.settings().http;
    const std::string prefix(exchange.query.find("prefix").value_or(""));
    const std::string after(exchange.query.find("after").value_or(""));
    SE_OR_REPLY(limit, exchange, exchange.query.integer("limit", http.page, 1, http.page_max));

    Page page{.engine = engine, .left = limit, .last = after};
    const auto add_range = [&](const Patterns::Range& range) -> Status {
        if (!range.alone) return page.add_all(range.text, after);
        return range.text > after ? page.add_one(range.text) : Status(Ok{});
    };
    // Only what may be read is gone through, so that nothing else shows: not in the entries, not in
    // where the next page begins, not in the time it takes.
    const auto ranges = exchange.caller.rights == nullptr
                            ? std::vector<Patterns::Range>{{prefix, false}}
                            : exchange.caller.rights->read.within(prefix);
    for (const Patterns::Range& range : ranges) {
        if (const Status added = add_range(range); !added)
            return reply_problem(exchange.reply, unavailable(added.error()));
        if (page.more) break;
    }
    Response response{.body = std::move(page.body)};
    response.body += ']';
    if (page.more) {
        response.body += ",\"next\":";
        append_json_string(response.body, page.last);
    }
    response.body += '}';
    close_with_as_of(response.body, engine);
    response.body += '\n';
    exchange.reply(std::move(response));
}

}  // namespace

void get_entry(ApiCore& core, Exchange&& exchange) {
    if (auto known = exchange.query.only({"min_seq", "timeout"}); !known)
        return reply_problem(exchange.reply, malformed(known.error()));
    when_due(core, std::move(exchange), send_entry);
}

void get_entries(ApiCore& core, Exchange&& exchange) {
    const bool keys = exchange.query.find("key").has_value();
    auto known = keys ? exchange.query.only({"key", "min_seq", "timeout"})
                      : exchange.query.only({"prefix", "limit", "after", "min_seq", "timeout"});
    if (!known) return reply_problem(exchange.reply, malformed(known.error()));
    when_due(core, std::move(exchange), keys ? send_keys : send_list);
}

}  // namespace se
