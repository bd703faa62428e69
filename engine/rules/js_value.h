#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory_resource>
#include <string>
#include <string_view>

#include "journal/base/json.h"

namespace se {

class JsHost;
class JsRoom;
class JsValue;

struct JsArray;
struct JsScope;

/// A JavaScript value as JsonLogic meets it: what JSON has, undefined, NaN and the infinities. It
/// is a view: of a Json, whose integers it shows as the nearest double, or of what an evaluation
/// has made in its JsRoom. Both must outlive it. Arrays and objects have an identity, as in
/// JavaScript: two are `==` only if they are the same one.
class JsValue {
public:
    enum class Kind : std::uint8_t { undefined, null, boolean, number, string, array, object };

    JsValue() = default;  ///< undefined
    JsValue(std::nullptr_t) : kind_(Kind::null) {}
    JsValue(bool value) : boolean_(value), kind_(Kind::boolean) {}
    JsValue(double value) : number_(value), kind_(Kind::number) {}
    JsValue(std::string_view text)
        : text_(text.data()), size_(static_cast<std::uint32_t>(text.size())), kind_(Kind::string) {}
    JsValue(const Json& json);
    JsValue(const JsArray* made) : array_(made), kind_(Kind::array), origin_(Origin::made) {}
    JsValue(const JsScope* made) : scope_(made), kind_(Kind::object), origin_(Origin::made) {}
    JsValue(const JsHost* host) : host_(host), kind_(Kind::object), origin_(Origin::host) {}
    template <class T>
    JsValue(const T*) = delete;  // would be a bool

    Kind kind() const { return kind_; }
    bool is_undefined() const { return kind_ == Kind::undefined; }
    bool is_null() const { return kind_ == Kind::null; }
    bool is_number() const { return kind_ == Kind::number; }
    bool is_string() const { return kind_ == Kind::string; }
    bool is_array() const { return kind_ == Kind::array; }
    bool is_object() const { return kind_ == Kind::object; }

    // Each needs the kind it names.
    bool boolean() const { return boolean_; }
    double number() const { return number_; }
    std::string_view string() const { return {text_, size_}; }
    std::size_t array_size() const;
    JsValue item(std::size_t index) const;
    /// What is behind it: the Json it views, the scope or the host; nullptr for the others.
    const Json* json() const {
        return origin_ == Origin::json && (is_array() || is_object()) ? json_ : nullptr;
    }
    const JsArray* made_array() const {
        return is_array() && origin_ == Origin::made ? array_ : nullptr;
    }
    const JsScope* scope() const {
        return is_object() && origin_ == Origin::made ? scope_ : nullptr;
    }
    const JsHost* host() const { return is_object() && origin_ == Origin::host ? host_ : nullptr; }

    /// What `if (value)` sees; no array or object is false.
    bool truthy() const;
    /// `a === b`
    friend bool strictly_equal(const JsValue& a, const JsValue& b);

private:
    enum class Origin : std::uint8_t { json, made, host };

    union {
        bool boolean_;
        double number_;
        const char* text_;
        const Json* json_;
        const JsArray* array_;
        const JsScope* scope_;
        const JsHost* host_ = nullptr;
    };
    std::uint32_t size_ = 0;
    Kind kind_ = Kind::undefined;
    Origin origin_ = Origin::json;
};

/// An array that an evaluation has made.
struct JsArray {
    JsValue* items = nullptr;
    std::size_t size = 0;
    std::size_t depth = 1;  ///< made arrays inside one another, this one counted
};

/// What `reduce` shows to its rule as data.
struct JsScope {
    JsValue current, accumulator;
};

/// An object whose members are looked up when a rule asks for them: a change and the state around
/// it.
class JsHost {
public:
    virtual ~JsHost() = default;
    /// Looks up the beginning of the dotted path, one step or more as it sees fit, and says how
    /// many bytes those are, without the dot behind them. undefined: there is no such member.
    virtual JsValue find(std::string_view path, std::size_t& taken) const = 0;
    virtual Json to_json() const = 0;  ///< for a rule that yields its whole data
};

/// Room and budget of one evaluation, and its first failure. What is made here lives as long as
/// this.
///
/// The budget is counted in bytes that are looked at or made; a step of a rule costs kStepBytes. So
/// neither long loops nor doubling texts get far, and memory is bounded with time.
class JsRoom {
public:
    static constexpr std::uint64_t kStepBytes = 1024;

    explicit JsRoom(std::uint64_t steps_max)
        : steps_max_(steps_max), left_(steps_max * kStepBytes) {}
    JsRoom(const JsRoom&) = delete;

    /// False when the budget is used up: then it has failed.
    bool spend(std::uint64_t bytes) {
        if (bytes <= left_) {
            left_ -= bytes;
            return true;
        }
        return out_of_steps();
    }
    bool spend_step() { return spend(kStepBytes); }
    /// Begun steps count; all of them, when the budget was used up.
    std::uint64_t steps_spent() const { return steps_max_ - left_ / kStepBytes; }

    /// After a failure values are of no account, and nothing is evaluated any more; the first one
    /// counts. False, for `return room.fail(…)`.
    bool fail(Errc code, std::string text);
    /// As JavaScript throws it.
    bool type_error(std::string text) { return fail(Errc::malformed, std::move(text)); }
    bool failed() const { return failed_; }
    Error take_error() { return std::move(error_); }
    Error& error() { return error_; }

    JsValue make_string(std::string_view text);
    /// With room for so many items; undefined, and failed, when there is no budget for them.
    JsArray* make_array(std::size_t size);
    /// An array is done: its depth is known. undefined, and failed, when it is too deep.
    JsValue finish(JsArray* array);
    JsValue make_scope(JsValue current, JsValue accumulator);

private:
    bool out_of_steps();
    void* allocate(std::size_t bytes, std::size_t alignment);

    // Small evaluations make all they need in here.
    std::array<std::byte, 1024> first_;
    std::pmr::monotonic_buffer_resource memory_{first_.data(), first_.size()};
    std::uint64_t steps_max_, left_;
    bool failed_ = false;
    Error error_{};
};

/// How deep made arrays may stand in each other; deeper fails.
inline constexpr std::size_t kMadeDepthMax = 256;

// ECMA-262's abstract operations. An object whose JSON has a member `toString` can not become a
// text or a number, as in JavaScript: the room has failed then, and the value is of no account.
double to_number(JsRoom& room, const JsValue& value);
/// `String(value)`; appended, halves of a pair joined.
void append_string(JsRoom& room, std::string& out, const JsValue& value);
JsValue to_string(JsRoom& room, const JsValue& value);
/// `parseFloat(value)`
double to_parsed_float(JsRoom& room, const JsValue& value);
/// ToIntegerOrInfinity
double to_whole(JsRoom& room, const JsValue& value);
/// `a == b`
bool loosely_equal(JsRoom& room, const JsValue& a, const JsValue& b);
enum class Order : std::uint8_t { less, equal, greater, none };
/// How `<` and its kind see two values; none: NaN is among them.
Order order_of(JsRoom& room, const JsValue& a, const JsValue& b);

/// `value[name]`: own members, items, units and lengths. What JavaScript would find in a prototype
/// (`constructor`, `toString`, `__proto__`, …) is not there. Needs neither undefined nor null, and
/// no host: that one is asked by path.
JsValue own_member(JsRoom& room, const JsValue& value, std::string_view name);

/// The value as JSON; what JSON lacks is {"$js":"undefined"}, NaN, Infinity or -Infinity.
void append_js(JsRoom& room, std::string& out, const JsValue& value);

}  // namespace se
