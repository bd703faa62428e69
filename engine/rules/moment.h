#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "engine/rules/js_value.h"
#include "journal/base/clock.h"

namespace se {

/// The values of all keys, exactly as of one record's seq, what that record itself changed
/// included.
class StateAsOf {
public:
    virtual ~StateAsOf() = default;
    /// The value's JSON text; nothing when the key is absent or deleted. An Error is a failed read.
    virtual Result<std::optional<std::string>> value_of(std::string_view key) = 0;
};

/// The same, each value read and parsed once for all rules of a record.
class StateValues {
public:
    explicit StateValues(StateAsOf& state) : state_(state) {}

    /// nullptr: there is no such key, or the read failed. Valid as long as this.
    const Json* find(std::string_view key);
    /// A read that failed: what was decided since is of no account.
    const std::optional<Error>& failure() const { return failure_; }

private:
    StateAsOf& state_;
    std::map<std::string, std::unique_ptr<const Json>, std::less<>> known_;
    std::optional<Error> failure_;
};

/// One accepted change, as the views of whoever decided it.
struct ChangeSeen {
    std::string_view key, op;
    std::optional<std::string_view> value, old;  ///< JSON texts; nothing: absent
    std::uint64_t version = 0, old_version = 0;  ///< old_version 0: it was absent
    std::string_view actor, reason;
    std::string_view metadata;  ///< a JSON object, or empty
    Time ts;
};

/// The names that a rule can ask for: key, value, op, old, oldVersion, version, actor, reason, ts,
/// metadata, state.
bool is_moment_name(std::string_view name);

/// What a rule's condition and templates see of one change (CONTRACTS 1.4). `state.<path>`: the
/// longest existing key that is a dot-prefix of the path, the rest are members of its value.
class Moment final : public JsHost {
public:
    Moment(const ChangeSeen& seen, StateValues& state) : seen_(seen), state_(state) {}

    /// What is at a dotted path, or nullptr. Valid as long as this and the state's values.
    const Json* look(std::string_view path) const;
    /// The value of one key, by its whole name.
    const Json* look_at_key(std::string_view key) const { return state_.find(key); }
    const ChangeSeen& seen() const { return seen_; }
    /// This, as data of JsonLogic.
    JsValue data() const { return static_cast<const JsHost*>(this); }

    JsValue find(std::string_view path, std::size_t& taken) const override;
    /// All but the state: that would be everything there is.
    Json to_json() const override;

private:
    const Json* root(std::string_view path, std::size_t& taken) const;

    const ChangeSeen& seen_;
    StateValues& state_;
    mutable std::map<std::string, std::unique_ptr<const Json>, std::less<>> made_;
};

}  // namespace se
