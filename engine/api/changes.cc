#include "engine/api/changes.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "journal/base/json.h"
#include "journal/base/json_depth.h"

namespace se {
namespace {

constexpr std::size_t kRecordsAtOnce = 256;
/// Of a feed that reads the past: more, and it lets others have a turn.
constexpr int kSlicesATurn = 8;

/// The event's text for whom may not read everything: a basis names keys, and whether they changed.
std::string readable_text(const std::string& text, const Principal& rights) {
    if (text.find("\"basis\"") == text.npos) return text;
    auto event = parse_json(text, kJsonDepthTrusted);
    if (!event) return text;
    const Json* const cause = event->find("cause");
    const Json* const basis = cause == nullptr ? nullptr : cause->find("basis");
    if (basis == nullptr || !basis->is_array()) return text;
    Json::Array facts = basis->array();
    const auto hidden = std::erase_if(facts, [&](const Json& fact) {
        const Json* const key = fact.find("key");
        return key == nullptr || !key->is_string() || !rights.may_read(key->string());
    });
    if (hidden == 0) return text;
    Json told = *cause;
    told.set("basis", std::move(facts));
    event->set("cause", std::move(told));
    return to_text(*event);
}

/// Why `principal` gets no feed now, if so: one principal cannot shut the others out.
std::optional<std::string> why_full(ApiCore& core, const std::string& principal) {
    const std::size_t streams = core.settings().http.streams;
    const std::size_t of_one = streams == 0 ? 0 : std::max<std::size_t>(streams / 2, 1);
    const std::size_t all = core.count_feeds();
    const auto mine = std::ranges::count_if(core.feeds, [&](const auto& weak) {
        const auto feed = weak.lock();
        return feed != nullptr && feed->principal() == principal;
    });
    if (all >= streams)
        return "all " + std::to_string(streams) + " streams are taken (http.streams)";
    if (static_cast<std::size_t>(mine) >= of_one)
        return "all " + std::to_string(of_one) + " streams of " + principal +
               " are taken (half of http.streams)";
    return std::nullopt;
}

}  // namespace

ChangeStream::ChangeStream(ApiCore& core, Cursor from, std::string prefix, const Caller& caller)
    : core_(core),
      cursor_(from),
      prefix_(std::move(prefix)),
      principal_(caller.principal),
      rights_(caller.rights),
      operators_(caller.door == "socket") {
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
    if (!std::exchange(begun_, true) && engine->is_void(&cursor_)) {
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
        append_changes(out, *changes);
        more = changes->more;
    }
    if (bookmark_ && !more) {
        bookmark_ = false;
        append_mark(out, "bookmark");
    }
}

void ChangeStream::append_changes(std::string& out, const Changes& changes) const {
    const bool all = rights_ == nullptr || rights_->read.matches_all();
    const ChangeEvent* event = nullptr;  // is told once it is known whether more of its record follows
    const auto tell = [&](const ChangeEvent* next) {
        if (event != nullptr) {
            if (next == nullptr || next->seq != event->seq) {
                out += "id: ";
                out += to_text(Cursor{event->epoch, event->seq});
                out += '\n';
            }
            out += "event: change\ndata: ";
            if (all) {
                out += event->text;
            } else {
                out += readable_text(event->text, *rights_);
            }
            out += "\n\n";
        }
        event = next;
    };
    for (const auto& next : changes.events)
        if (all || rights_->may_read(next->key)) tell(next.get());
    tell(nullptr);
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
    Cursor from = core.engine->shown();
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
    if (const auto full = why_full(core, exchange.caller.principal)) {
        return reply_problem(exchange.reply, {.status = 503,
                                              .code = Code::unavailable,
                                              .message = *full,
                                              .reason = "overloaded",
                                              .retry_after_ms = 1000});
    }
    auto feed = std::make_shared<ChangeStream>(
        core, from, std::string(exchange.query.find("prefix").value_or("")), exchange.caller);
    core.feeds.push_back(feed);
    exchange.reply({.content_type = "text/event-stream",
                    .headers = {{"Cache-Control", "no-cache, no-transform"},
                                {"X-Accel-Buffering", "no"}},
                    .stream = std::move(feed)});
}

}  // namespace se
