// HTTP framing: however the bytes come, the same requests come out of them.

#include "engine/adapters/http_parser.h"
#include "engine/api/target.h"
#include "tests/fuzz/fuzzing.h"

namespace se::fuzz {
namespace {

struct Heard {
    std::vector<Request> requests;
    std::vector<bool> keep_alive;
    bool failed = false;
    bool too_long = false;    // a header at its limit may pass in one piece and not in many
    bool unfinished = false;  // a line that has not ended: what is wrong in it may show later
};

/// Feeds `bytes` in pieces, as a connection does: what was not taken is shown again with more.
Heard hear(std::string_view bytes, std::size_t piece, HttpParser::Limits limits) {
    Heard heard;
    HttpParser parser(limits);
    std::string waiting;
    while (!bytes.empty() && !heard.failed) {
        const std::size_t size = std::min(piece, bytes.size());
        waiting.append(bytes.substr(0, size));
        bytes.remove_prefix(size);
        for (;;) {
            const std::size_t taken = parser.feed(waiting);
            SE_ASSERT(taken <= waiting.size());
            waiting.erase(0, taken);
            SE_ASSERT(parser.body_bytes() <= limits.body_bytes);
            if (parser.state() == HttpParser::State::failed) {
                SE_ASSERT(parser.problem().status >= 400 && !parser.problem().message.empty());
                heard.failed = true;
                heard.too_long = parser.problem().status == 431;
                break;
            }
            if (parser.state() != HttpParser::State::done) break;
            heard.keep_alive.push_back(parser.keep_alive());
            heard.requests.push_back(parser.take());
            SE_ASSERT(parser.state() == HttpParser::State::idle);
        }
    }
    heard.unfinished = !heard.failed && !waiting.empty();
    return heard;
}

void check_target(const Request& request) {
    const std::string_view target = request.target;
    const std::size_t mark = target.find('?');
    const auto path = percent_decode(target.substr(0, mark));
    if (path) {
        const auto again = percent_decode(percent_encode(*path));
        SE_ASSERT(again);
        SE_ASSERT(*again == *path);
    }
    if (mark == target.npos) return;
    const auto query = Query::parse(target.substr(mark + 1));
    if (!query) return;
    SE_ASSERT(query->all("key").empty() == !query->find("key").has_value());
    const auto page = query->integer("limit", 7, 1, 1000);
    if (page) SE_ASSERT(*page >= 1 && *page <= 1000);
    const auto wait =
        query->duration("timeout", std::chrono::milliseconds(5), std::chrono::seconds(60));
    if (wait) SE_ASSERT(*wait <= std::chrono::seconds(60));
}

void check_requests(const Heard& heard, HttpParser::Limits limits) {
    for (const Request& request : heard.requests) {
        std::size_t header = request.method.size() + request.target.size();
        for (const auto& [name, value] : request.headers) {
            header += name.size() + value.size();
            SE_ASSERT(name.find_first_of("\r\n:") == name.npos);
            SE_ASSERT(value.find_first_of("\r\n") == value.npos);
            for (const char c : name) SE_ASSERT(c < 'A' || c > 'Z');
        }
        SE_ASSERT(header <= limits.header_bytes && request.body.size() <= limits.body_bytes);
        check_target(request);
    }
}

void check(std::string_view bytes, HttpParser::Limits limits) {
    const Heard whole = hear(bytes, bytes.size() + 1, limits);
    check_requests(whole, limits);
    for (const std::size_t piece : {std::size_t{1}, 2 + bytes.size() % 29}) {
        const Heard cut = hear(bytes, piece, limits);
        if (cut.too_long != whole.too_long) continue;
        SE_ASSERT(cut.requests.size() == whole.requests.size());
        SE_ASSERT(cut.keep_alive == whole.keep_alive);
        SE_ASSERT(cut.failed == whole.failed || cut.unfinished || whole.unfinished);
        for (std::size_t i = 0; i < cut.requests.size(); ++i) {
            const Request &a = cut.requests[i], &b = whole.requests[i];
            SE_ASSERT(a.method == b.method && a.target == b.target && a.body == b.body);
            SE_ASSERT(a.headers == b.headers);
        }
    }
}

}  // namespace
}  // namespace se::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes = se::fuzz::text_of(data, size);
    se::fuzz::check(bytes, {});
    se::fuzz::check(bytes, {.header_bytes = 256, .body_bytes = 64});
    return 0;
}
