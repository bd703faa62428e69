#include "mcp/sessions.h"

#include <algorithm>
#include <charconv>
#include <vector>

namespace se::mcp {
namespace {

std::optional<std::uint64_t> number_of(std::string_view text) {
    std::uint64_t number = 0;
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || rest != text.data() + text.size()) return std::nullopt;
    return number;
}

}  // namespace

std::shared_ptr<EventStream> Session::open_stream() {
    const std::uint64_t number = next_stream++;
    return streams[number] = std::make_shared<EventStream>(std::to_string(number));
}

std::pair<std::shared_ptr<EventStream>, std::uint64_t> Session::find_event(std::string_view event_id) const {
    const std::size_t dash = event_id.find('-');
    if (dash == event_id.npos) return {};
    const auto stream = number_of(event_id.substr(0, dash));
    const auto event = number_of(event_id.substr(dash + 1));
    if (!stream || !event) return {};
    const auto found = streams.find(*stream);
    if (found == streams.end() || *event >= found->second->next_number()) return {};
    return {found->second, *event};
}

bool Session::connected() const {
    return std::ranges::any_of(streams, [](const auto& one) { return one.second->connected(); });
}

void Session::trim() {
    std::size_t count = 0, bytes = 0;
    for (const auto& [number, stream] : streams) {
        if (number == 0 || stream->connected()) continue;
        ++count;
        bytes += stream->bytes();
    }
    for (auto at = streams.begin(); at != streams.end();) {
        const EventStream& stream = *at->second;
        const bool over = count > kStreamsKept || bytes > kStreamBytesKept;
        if (at->first == 0 || stream.connected() || !stream.finished() || !over) {
            ++at;
            continue;
        }
        --count;
        bytes -= stream.bytes();
        at = streams.erase(at);
    }
}

Sessions::Sessions(Server& server, Clock& clock, Random& random, std::size_t streams)
    : server_(server), clock_(clock), random_(random), of_one_max_(std::max(streams, kSessionsMin)) {}

Sessions::~Sessions() { end_all(); }

/// Most clients never say that they are done.
bool Sessions::make_room(const std::string& principal) {
    SessionPtr oldest;
    for (const auto& [id, session] : sessions_) {
        const bool busy = session->connected() || session->conversation->calls_in_flight() != 0;
        if (busy || session->principal != principal) continue;
        if (oldest == nullptr || session->last_used < oldest->last_used) oldest = session;
    }
    if (oldest == nullptr) return false;
    end(oldest);
    return true;
}

Result<SessionPtr> Sessions::open(const Caller& caller, bool legacy_sse) {
    const auto held = of_principal_.find(caller.principal);
    const bool mine_full = held != of_principal_.end() && held->second >= of_one_max_;
    const bool full = sessions_.size() >= kSessionsFactor * of_one_max_;
    if ((mine_full || full) && !make_room(caller.principal)) {
        return Error{Errc::unavailable,
                     mine_full ? "all " + std::to_string(of_one_max_) + " sessions of " + caller.principal +
                                     " are taken (as many as http.streams)"
                               : "all " + std::to_string(kSessionsFactor * of_one_max_) +
                                     " sessions are taken (four times http.streams)"};
    }
    ++of_principal_[caller.principal];
    auto session = std::make_shared<Session>();
    session->id = make_uuid(random_);
    session->principal = caller.principal;
    session->last_used = clock_.monotonic();
    session->streams[0] = std::make_shared<EventStream>(legacy_sse ? "" : "0");
    session->conversation =
        server_.open(caller, legacy_sse, [stream = session->streams[0]](const std::string& message) {
            stream->push(message);
        });
    sessions_.emplace(session->id, session);
    return session;
}

SessionPtr Sessions::find(std::string_view id, const Caller& caller, bool legacy_sse) {
    const auto found = sessions_.find(std::string(id));
    if (found == sessions_.end()) return nullptr;
    const SessionPtr& session = found->second;
    if (session->principal != caller.principal || session->conversation->legacy_sse() != legacy_sse)
        return nullptr;
    session->last_used = clock_.monotonic();
    return session;
}

void Sessions::end(const SessionPtr& session) {
    if (sessions_.erase(session->id) == 0) return;
    const auto mine = of_principal_.find(session->principal);
    if (--mine->second == 0) of_principal_.erase(mine);
    server_.end(session->conversation);
    const auto streams = std::move(session->streams);
    session->streams.clear();
    for (const auto& [number, stream] : streams) stream->finish();
}

void Sessions::end_all() {
    while (!sessions_.empty()) end(SessionPtr(sessions_.begin()->second));
}

std::chrono::nanoseconds Sessions::tick() {
    const auto now = clock_.monotonic();
    std::chrono::nanoseconds next = kSessionIdle;
    std::vector<SessionPtr> idle;
    for (const auto& [id, session] : sessions_) {
        if (session->connected() || session->conversation->calls_in_flight() != 0) {
            session->last_used = now;
        } else if (now - session->last_used >= kSessionIdle) {
            idle.push_back(session);
        } else {
            next = std::min(next, session->last_used + kSessionIdle - now);
        }
    }
    for (const SessionPtr& session : idle) end(session);
    return next;
}

}  // namespace se::mcp
