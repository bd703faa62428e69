#include "mcp/request_state.h"

#include <algorithm>

#include "journal/base/hash.h"
#include "mcp/base64.h"

namespace se::mcp {
namespace {

constexpr std::size_t kNonceBytes = 16;

std::string seal(std::string_view key, std::string_view payload) {
    const Hash mac = hmac_sha256(key, payload);
    return to_base64url({reinterpret_cast<const char*>(mac.data()), mac.size()});
}

std::string digest(const Json& arguments) { return to_hex(sha256(to_text(arguments))); }

bool is_text(const Json& payload, std::string_view name, std::string_view wanted) {
    const Json* member = payload.find(name);
    return member != nullptr && member->is_string() && member->string() == wanted;
}

Error refusal(std::string text) { return {Errc::malformed, "requestState " + std::move(text)}; }

}  // namespace

RequestStates::RequestStates(Random& random, Clock& clock)
    : random_(random), clock_(clock), key_(make_hex(random, 32)) {}

void RequestStates::forget_lapsed(std::chrono::nanoseconds now) {
    for (auto& [principal, all] : issued_) {
        while (!all.empty() && all.front().expires <= now) all.pop_front();
    }
    std::erase_if(issued_, [](const auto& of_one) { return of_one.second.empty(); });
}

Result<std::string> RequestStates::issue(const Call& call, const Json& state) {
    const auto now = clock_.monotonic();
    forget_lapsed(now);
    const std::string nonce = make_hex(random_, kNonceBytes);
    const auto expires = now + kLifetime;
    Json payload(Json::Object{});
    payload.set("a", digest(call.arguments));
    payload.set("e", std::int64_t{expires.count()});
    payload.set("i", nonce);
    payload.set("m", call.method);
    payload.set("n", call.name);
    payload.set("p", call.principal);
    payload.set("s", state);
    std::string text = to_base64url(to_text(payload));
    text += '.' + seal(key_, text);
    if (text.size() > kBytesMax)
        return Error{Errc::too_large, "requestState has at most " + std::to_string(kBytesMax) + " bytes"};
    auto& mine = issued_[std::string(call.principal)];
    if (mine.size() >= kPerPrincipal) mine.pop_front();
    mine.push_back({expires, nonce});
    return text;
}

Result<Json> RequestStates::redeem(const Call& call, std::string_view text) {
    const std::size_t dot = text.find('.');
    if (text.size() > kBytesMax || dot == text.npos ||
        !equal_in_constant_time(text.substr(dot + 1), seal(key_, text.substr(0, dot))))
        return refusal("is not one of ours: send it back as it was, or start over without it");
    const auto bytes = from_base64url(text.substr(0, dot));
    SE_ASSERT(bytes);  // we signed it
    SE_TRY(payload, parse_json(*bytes, 1000));
    if (!is_text(payload, "p", call.principal)) return refusal("was given to somebody else");
    if (!is_text(payload, "m", call.method) || !is_text(payload, "n", call.name))
        return refusal("belongs to another request");
    if (!is_text(payload, "a", digest(call.arguments)))
        return refusal("belongs to other arguments: send the same again, or start over without it");
    const auto now = clock_.monotonic();
    if (payload.find("e")->integer() <= now.count())
        return refusal("has expired: start over without it");
    const auto of_one = issued_.find(std::string(call.principal));
    const std::string& nonce = payload.find("i")->string();
    if (of_one != issued_.end()) {
        auto& mine = of_one->second;
        const auto at = std::ranges::find(mine, nonce, &Issued::nonce);
        if (at != mine.end()) {
            mine.erase(at);
            return *payload.find("s");
        }
    }
    return refusal("was used already, or is older than your newest " + std::to_string(kPerPrincipal) +
                   ": start over without it");
}

}  // namespace se::mcp
