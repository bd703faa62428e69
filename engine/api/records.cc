// GET /v1/history/{key} and GET /v1/records: records exactly as they stand in the journal, or withheld.

#include <algorithm>

#include "engine/api/core.h"
#include "engine/intake/proposal.h"
#include "engine/record_rights.h"
#include "journal/base/json.h"
#include "journal/body.h"

namespace se {
namespace {

void append_line(std::string& array, std::string_view line) {
    if (array.back() != '[') array += ",\n";
    array += line;
}

std::string shown(const Caller& caller, const RecordView& record) {
    return may_read(caller, record) ? std::string(record.line) : withheld(record);
}

}  // namespace

void get_history(ApiCore& core, Exchange&& exchange) {
    const Settings::Http& http = core.settings().http;
    if (auto known = exchange.query.only({"limit", "before"}); !known)
        return reply_problem(exchange.reply, malformed(known.error()));
    SE_OR_REPLY(limit, exchange, exchange.query.integer("limit", http.page, 1, http.page_max));
    SE_OR_REPLY(before, exchange, exchange.query.integer("before", UINT64_MAX, 1, UINT64_MAX));
    if (core.engine == nullptr) return reply_problem(exchange.reply, unavailable(core));
    Engine& engine = *core.engine;
    if (const auto problem = check_key(engine, exchange.argument)) return reply_problem(exchange.reply, *problem);
    if (const auto problem = check_readable(exchange.caller, exchange.argument))
        return reply_problem(exchange.reply, *problem);

    auto seqs = engine.history(exchange.argument, Seq{before}, limit);
    if (!seqs) return reply_problem(exchange.reply, unavailable(seqs.error()));
    const auto reader = core.reader();
    if (!reader) return reply_problem(exchange.reply, unavailable(reader.error()));

    // The newest ones of the page are kept when it is cut at its bytes: paging goes backwards, by the
    // seq of the first one shown.
    std::ranges::sort(*seqs, std::greater<>());
    std::vector<std::string> lines;
    std::size_t bytes = 0;
    for (const Seq seq : *seqs) {
        if (bytes >= kPageBytes) break;  // read, whatever is shown of them
        const auto record = (*reader)->at(seq);
        if (!record && record.error().code == Errc::not_found) continue;  // not durable yet, or given up
        if (!record) return reply_problem(exchange.reply, unavailable(record.error()));
        bytes += (*record)->line.size();
        lines.push_back(shown(exchange.caller, **record));
    }
    std::string body = "[";
    for (auto line = lines.rbegin(); line != lines.rend(); ++line) append_line(body, *line);
    body += ']';
    reply_json(exchange.reply, 200, std::move(body));
}

void get_records(ApiCore& core, Exchange&& exchange) {
    const Settings::Http& http = core.settings().http;
    if (auto known = exchange.query.only({"from", "limit"}); !known)
        return reply_problem(exchange.reply, malformed(known.error()));
    SE_OR_REPLY(limit, exchange, exchange.query.integer("limit", http.page, 1, http.page_max));
    SE_OR_REPLY(from, exchange, exchange.query.integer("from", 1, 1, UINT64_MAX));
    if (core.engine == nullptr) return reply_problem(exchange.reply, unavailable(core));
    const auto reader = core.reader();
    if (!reader) return reply_problem(exchange.reply, unavailable(reader.error()));

    std::string body = "[";
    if (from <= core.engine->durable().value) {
        if (auto there = (*reader)->seek(Seq{from}); !there)
            return reply_problem(exchange.reply, unavailable(there.error()));
        std::size_t bytes = 0;  // read, whatever is shown of them
        for (std::uint64_t count = 0; count < limit && bytes < kPageBytes; ++count) {
            const auto record = (*reader)->next();
            if (!record) {
                // What stands before the damage is shown; asking from there on says what is wrong.
                if (count != 0) break;
                return reply_problem(exchange.reply, unavailable(record.error()));
            }
            if (*record == nullptr) break;
            bytes += (*record)->line.size();
            append_line(body, shown(exchange.caller, **record));
        }
    }
    body += ']';
    reply_json(exchange.reply, 200, std::move(body));
}

}  // namespace se
