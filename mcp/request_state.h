#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>

#include "journal/base/clock.h"
#include "journal/base/json.h"
#include "journal/base/random.h"
#include "journal/base/result.h"

namespace se::mcp {

/// What a stateless client carries for us between the rounds of one call (2026-07-28, `requestState`). It can
/// read it. It cannot change it, keep it, use it twice, or use it for anything else:
///
///     base64url({"a": hash of the arguments, "e": expiry, "i": nonce, "m": method, "n": name,
///                "p": principal, "s": state}) . base64url(HMAC-SHA-256 of the part before the dot)
///
/// The key is drawn at start: nothing outlives the process. What is issued is remembered by its nonce until it
/// is used or lapses, so one use is one use.
class RequestStates {
public:
    static constexpr std::chrono::minutes kLifetime{10};
    /// Of one principal, not yet used; more: its oldest lapse.
    static constexpr std::size_t kPerPrincipal = 256;
    static constexpr std::size_t kBytesMax = 64u << 10;  ///< of one, as text; more is refused at issue

    RequestStates(Random& random, Clock& clock);

    /// What the state is bound to.
    struct Call {
        std::string_view principal;
        std::string_view method;
        std::string_view name;
        const Json& arguments;
    };
    Result<std::string> issue(const Call& call, const Json& state);
    /// The state again, once. Errc::malformed with a sentence for the client: altered, lapsed, used, or of
    /// another call.
    Result<Json> redeem(const Call& call, std::string_view text);

private:
    struct Issued {
        std::chrono::nanoseconds expires;
        std::string nonce;
    };
    void forget_lapsed(std::chrono::nanoseconds now);

    Random& random_;
    Clock& clock_;
    std::string key_;
    std::unordered_map<std::string, std::deque<Issued>> issued_;  ///< by principal, oldest first
};

}  // namespace se::mcp
