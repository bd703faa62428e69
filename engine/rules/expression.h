#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/rules/moment.h"

namespace se {

/// A condition of strict comparisons: no coercion, numbers with numbers and texts with texts;
/// objects and lists are equal when their canonical forms are. What is absent is equal to nothing,
/// not even to null, and is neither less nor greater.
struct Expression {
    enum class Kind : std::uint8_t { all, any, compare };
    enum class Operator : std::uint8_t {
        equal,
        different,
        less,
        less_or_equal,
        greater,
        greater_or_equal
    };

    Kind kind = Kind::all;
    std::vector<Expression> parts = {};  ///< of all and any
    std::string path = {};               ///< of compare: a key, or a path of the moment
    bool is_key = false;                 ///< the path is a key, by its whole name
    Operator op = Operator::equal;
    Json literal = {};

    bool holds(const Moment& moment) const;
    /// The keys it names.
    void collect_keys(std::vector<std::string>* out) const;
};

/// `key (== != < <= > >=) literal`, joined by `&&`, `||` and parentheses; && binds tighter.
/// Literals are 'text', "text", numbers, true, false, null. Errc::malformed says at which
/// character, and what would be right.
Result<Expression> parse_expression(std::string_view text);

}  // namespace se
