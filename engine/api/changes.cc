#include "engine/api/changes.h"

#include <algorithm>

#include "journal/base/json.h"

namespace se {
namespace {

constexpr std::size_t kRecordsAtOnce = 256;
/// Of a feed that reads the past: more, and it lets others have a turn.
constexpr int kSlicesATurn = 8;

/// A cursor that this journal cannot have given out: of a later run, or beyond what it has answered.
bool is_foreign(Cursor cursor, const Engine& engine) {
    const Engine::AsOf now = engine.applied();
    return cursor.epoch > engine.journal().epoch() ||
           (cursor.epoch == engine.journal().epoch() && cursor.seq > now.seq);
}

}  // namespace

ChangeStream::ChangeStream(ApiCore& core, Cursor from, std::string prefix)
    : core_(core), cursor_(from), prefix_(std::move(prefix)) {
    bookmark_due_ = core_.host.clock.monotonic() + kBookmarkInterval;
}

void ChangeStream::append_mark(std::string& out, std::string_view event) const {
    out += "id: ";
    out += to_text(cursor_);
    out += "\nevent: ";
    out += event;
    out += "\ndata: ";
    JsonObject json(out);
    json.integer("epoch", cursor_.epoch.value).integer("seq", cursor_.seq.value).close();
    out += "\n\n";
}

void ChangeStream::pull(std::string& out, std::size_t bytes_max) {
    if (finished_) return;
    Engine* const engine = core_.engine;
    if (engine == nullptr || ending_) {
        append_mark(out, "bookmark");
        finished_ = true;
        return;
    }
    if (is_foreign(cursor_, *engine)) {
        const Engine::AsOf now = engine->applied();
        cursor_ = {now.epoch, now.seq};
        append_mark(out, "resync");
        finished_ = true;
        return;
    }
    const std::size_t limit = out.size() + bytes_max;
    bool more = true;
    for (int slices = 0; more && out.size() < limit; ++slices) {
        if (slices == kSlicesATurn) return wake();
        const auto changes = engine->changes_since(&cursor_, prefix_, kRecordsAtOnce);
        if (!changes) {
            // The journal does not read here (damage): this feed cannot go on without a gap.
            core_.host.log.write({Severity::error,
                                  "state-engine.changes.read_error",
                                  {{"error", changes.error().text}, {"at", to_text(cursor_)}}});
            append_mark(out, "resync");
            finished_ = true;
            return;
        }
        if (changes->resync) {
            append_mark(out, "resync");
            finished_ = true;
            return;
        }
        for (std::size_t i = 0; i < changes->events.size(); ++i) {
            const ChangeEvent& event = *changes->events[i];
            const bool last_of_record =
                i + 1 == changes->events.size() || changes->events[i + 1]->seq != event.seq;
            if (last_of_record) {
                out += "id: ";
                out += to_text(Cursor{event.epoch, event.seq});
                out += '\n';
            }
            out += "event: change\ndata: ";
            out += event.text;
            out += "\n\n";
        }
        more = changes->more;
    }
    if (bookmark_ && !more) {
        bookmark_ = false;
        append_mark(out, "bookmark");
    }
}

std::chrono::nanoseconds ChangeStream::tick(std::chrono::nanoseconds now) {
    if (now >= bookmark_due_) {
        bookmark_due_ = now + kBookmarkInterval;
        bookmark_ = true;
        wake();
    }
    return bookmark_due_ - now;
}

void ChangeStream::end() {
    ending_ = true;
    wake();
}

void get_changes(ApiCore& core, Exchange&& exchange) {
    if (exchange.request.method == "HEAD") {
        Response response = to_response({.status = 405,
                                         .code = Code::malformed,
                                         .message = "/v1/changes takes GET: it has no end"});
        response.headers.emplace_back("Allow", "GET");
        return exchange.reply(std::move(response));
    }
    if (auto known = exchange.query.only({"since", "prefix"}); !known)
        return reply_problem(exchange.reply, malformed(known.error()));
    if (core.engine == nullptr || core.draining)
        return reply_problem(exchange.reply, unavailable(core));

    std::string_view since = exchange.request.header("last-event-id");
    if (since.empty()) since = exchange.query.find("since").value_or("");
    const Engine::AsOf now = core.engine->applied();
    Cursor from{now.epoch, now.seq};
    if (!since.empty()) {
        const auto cursor = cursor_from_text(since);
        if (!cursor) {
            return reply_problem(exchange.reply,
                                 malformed("'" + std::string(since.substr(0, 64)) +
                                               "' is no cursor: EPOCH.SEQ, as an event's id says",
                                           "since"));
        }
        from = *cursor;
    }
    if (core.count_feeds() >= core.settings().http.streams) {
        return reply_problem(exchange.reply,
                             {.status = 503,
                              .code = Code::unavailable,
                              .message = "all " + std::to_string(core.settings().http.streams) +
                                         " streams are taken (http.streams)",
                              .reason = "overloaded",
                              .retry_after_ms = 1000});
    }
    auto feed = std::make_shared<ChangeStream>(
        core, from, std::string(exchange.query.find("prefix").value_or("")));
    core.feeds.push_back(feed);
    exchange.reply({.content_type = "text/event-stream",
                    .headers = {{"Cache-Control", "no-cache, no-transform"},
                                {"X-Accel-Buffering", "no"}},
                    .stream = std::move(feed)});
}

}  // namespace se
