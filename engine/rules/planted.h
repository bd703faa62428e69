#pragma once

#include <cstdint>

namespace se {

/// Mistakes planted in the evaluation of rules on purpose, to see whether the comparison with
/// json-logic-js would notice (as journal/base/canary.h does for the simulator). Only the program
/// `rule_canaries` of tests/rules is compiled with SE_RULE_CANARIES; everywhere else the answer is
/// a constant, and nothing of this is in the program.
enum class Planted : std::uint8_t {
    none,
    plus_takes_whole_texts,  ///< "3 apples" is NaN for +, as for every other operation
    null_equals_zero,        ///< null is == to all that is not truthy
    texts_ordered_by_bytes,  ///< U+FF5E is before U+1F600
    empty_array_is_truthy,   ///< as in JavaScript, and not as in JsonLogic
    default_for_null,        ///< var takes its default for null, too
    between_forgets_third,   ///< {"<": [1, x, 3]} does not look at the 3
    substr_counts_bytes,     ///< of UTF-8
    missing_forgives_empty,  ///< "" is there
    all_of_nothing,          ///< all of [] is true
    and_yields_boolean,      ///< and answers true or false, not what it found
    reduce_from_first,       ///< reduce without a first value begins with the first item
};

#ifdef SE_RULE_CANARIES
inline namespace with_rule_canaries {  // so that no object file can take the other kind's functions

extern Planted the_planted;
inline bool planted(Planted which) {
    return the_planted == which;
}

}  // namespace with_rule_canaries
#else
inline namespace without_rule_canaries {

constexpr bool planted(Planted) {
    return false;
}

}  // namespace without_rule_canaries
#endif

}  // namespace se
