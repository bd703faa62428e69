#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "engine/rules/template.h"

namespace se {

/// Whom a firing rule answers: the proposal behind the change.
struct FiringFor {
    std::string_view id, trace;
    std::string_view cause = {};  ///< JSON object, or empty: its correlationId is told on
    /// The policy was journaled by an older program: what fires is as that one had it, to the byte
    /// (policy.h, kDeciderVersion).
    bool as_decider_2 = false;
};

/// What a rule does, compiled (CONTRACTS 1.4).
struct Action {
    enum class Kind : std::uint8_t {
        publish,  ///< `body` is the message, as it stands
        event,    ///< `body` is the payload of an InternalEventV2 for `connector`
        mutate,   ///< `body` is a proposal
    };
    Kind kind = Kind::publish;
    std::string name = {};  ///< publishEgress, mutate, obs.setScene
    Template body;
    std::string connector = {}, destination = {};
    std::string event_type = {};  ///< as it is written; of a payload it is told by what that comes to

    /// The members of `fired` that say what it is, all but the id: {"type":…, …}. A mutation keeps
    /// the correlation id for what it fires itself.
    Result<Json> resolve(const Moment& moment, const FiringFor& firing, JsRoom& room) const;
    /// For mutate: the key, or as much of it as stands before the first hole.
    struct Target {
        std::string key;
        bool whole = true;  ///< else it only begins so
        std::string op;
        std::optional<Json> value;  ///< when it does not depend on the moment
    };
    std::optional<Target> target() const;
};

/// `json` is an item of `actions`, `do` or `then`. Errc::malformed, with a pointer into it.
Result<Action> compile_action(const Json& json, bool in_actions);

}  // namespace se
