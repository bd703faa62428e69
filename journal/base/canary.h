#pragma once

#ifdef SE_CANARIES
#include <functional>
#endif

namespace se {

/// Bugs planted on purpose, to see whether the tests would notice: code asks `canary(Canary::…)` at
/// the one place where it would go wrong. Only the program `canaries` of tests/sim and the tests
/// `canaries_test.cc` of other folders are compiled with SE_CANARIES; everywhere else the answer is a
/// constant, and nothing of this is in the program.
enum class Canary {
    none,
    sync_skipped,             ///< a group's bytes are written and never synced
    answer_before_sync,       ///< an answer goes out while its record is under way to the disk
    head_before_sync,         ///< HEAD vouches for a group whose sync has not returned
    roll_without_head_sync,   ///< a new segment gets its name while HEAD is in the page cache only
    watermark_apart,          ///< LMDB's state in one transaction, its watermark in the next one
    record_skipped,           ///< the projector passes over one record
    cut_keeps_good_lines,     ///< a cut takes the torn line and leaves the good ones behind it
    epoch_not_raised,         ///< an open goes on in the epoch of the run before
    identity_forgotten,       ///< regrowing LMDB forgets which ids had their effect
    refreshed_key_expires,    ///< a key that was set again meanwhile expires by its old deadline
    unvouched_not_rewritten,  ///< an open shows what the page cache has, and does not write it
                              ///< again
    watermark_before_ack,     ///< a follower's watermark passes what it has handed over
    message_skipped,          ///< a follower passes over one message of a record
    derived_lost,             ///< an open forgets what a rule derived and has no record yet
    derived_twice,            ///< an open derives again what has its record, and nobody asks for ids
    derived_on_newer_state,   ///< a proposal that waits goes before what a rule derived
    rules_on_older_state,     ///< rules see other keys as they were before their own record
    documents_apart,          ///< Firestore's watermark in a commit before its documents'
    no_precondition,          ///< Firestore's watermark is written whoever wrote it last
    ack_before_sync,          ///< a message of the bus is acknowledged while its records are under
                              ///< way to the disk
    puback_not_awaited,       ///< what goes out on the bus counts as taken before its server says so
    bookmark_of_now,          ///< changes_since stops at its limit, and its bookmark does not
    notice_left_out,          ///< who has subscribed to keys by MCP is not told of one change
};

#ifdef SE_CANARIES
inline namespace with_canaries {  // so that no object file can take the other kind's functions

extern Canary planted;
/// What the simulator does at a moment that only a planted bug has.
extern std::function<void()> canary_moment;

inline bool canary(Canary which) {
    return planted == which;
}

}  // namespace with_canaries
#else
inline namespace without_canaries {

constexpr bool canary(Canary) {
    return false;
}
inline void canary_moment() {}

}  // namespace without_canaries
#endif

}  // namespace se
