// What is taken over from another engine: entries of keys that were never here, and its log.

#include <utility>

#include "engine/engine_state.h"

namespace se {

/// What another engine decided is not decided again: it is known from now on, and changes nothing.
Engine::State::Taken Engine::State::take_past(Waiting& waiting, const Identity& identity,
                                              Time now) {
    const Caller& caller = waiting.caller;
    Item item;
    item.draft = draft_of_past(std::get<Proposal>(waiting.what), *caller.imported);
    item.draft.ts = now;
    item.draft.content = to_hex(identity.content);
    item.draft.actor = caller.actor;
    item.draft.principal = caller.principal;
    item.draft.door = caller.door;
    item.draft.cause = caller.cause;
    item.draft.decided = decided;
    item.identity = identity;
    item.bytes = waiting.bytes;
    const Taken taken = append(item, {});
    if (taken == Taken::too_large) return refuse_too_large(waiting, now);
    if (taken == Taken::yes) building.items.back().done = std::move(waiting.done);
    return taken;
}

/// An entry that may not be taken over is told of and not journaled: what it says stays where it
/// is, so that it can be imported once what stood in its way is gone, and doing it again journals
/// nothing.
Engine::State::Taken Engine::State::leave_out(Waiting& waiting, const Decision& decision) {
    Answer answer;
    answer.id = waiting.id();
    answer.code = decision.code;
    answer.message = decision.message;
    if (decision.code == Code::version_conflict)
        add_current(answer, waiting.caller, decision.key, Seq{UINT64_MAX});
    answer_behind(waiting, std::move(answer));
    return Taken::yes;
}

}  // namespace se
