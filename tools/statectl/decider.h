#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "engine/answer.h"
#include "tools/statectl/context.h"
#include "tools/statectl/door.h"
#include "tools/statectl/embedded.h"

namespace se::statectl {

/// What was said about one proposal.
struct Told {
    Answer answer;
    std::string json;  ///< the answer as the door writes it
};

/// Where proposals are decided: the daemon that runs, or an engine in this process.
class Decider {
public:
    virtual ~Decider() = default;

    /// One proposal, now.
    virtual Outcome<Told> decide(const std::string& proposal) = 0;

    using OnTold = std::function<void(std::uint64_t number, Told&& told)>;
    /// Many, in order. What was said of each comes, in the same order, from a later propose() or from
    /// finish(), which waits for all of it. `number` is the caller's. After a Failure nobody
    /// knows about those that were not told.
    virtual Outcome<Ok> propose(std::uint64_t number, std::string line, const OnTold& on_told) = 0;
    /// A line that cannot even be sent on, such as one without an end: refused and journaled.
    virtual Outcome<Ok> refuse(std::uint64_t number, Refusal refusal, const OnTold& on_told) = 0;
    virtual Outcome<Ok> finish(const OnTold& on_told) = 0;

    /// From now on the lines of propose() are those of an import (engine/intake/imported.h).
    void take_imports() { imports_ = true; }

    /// Leaves a note about an import.
    virtual Outcome<Ok> note_import(const std::string& id, const std::string& body_json) = 0;
    /// Lets go of the store.
    virtual Outcome<Ok> close() = 0;
    /// The seq of the last record there is; after close().
    virtual Outcome<Seq> head() = 0;

protected:
    bool imports_ = false;
};

/// The daemon if one answers, else an engine here, waiting for the store up to --wait.
Outcome<std::unique_ptr<Decider>> open_decider(Context& context, Pace pace);
std::unique_ptr<Decider> decider_over(std::unique_ptr<EmbeddedEngine> engine, Context& context);

/// Decides on the state as it is, on the files alone: nothing is written, no lock taken, and no daemon
/// asked. Remembers what it decided, so that later ones build on it.
class DryRun {
public:
    /// `nothing`: a store that is begun anew in the place of the one there, under its policy.
    enum class Over : std::uint8_t { the_store, nothing };
    static Outcome<std::unique_ptr<DryRun>> open(Context& context, Over over = Over::the_store);
    virtual ~DryRun() = default;
    virtual Told decide(const std::string& proposal) = 0;
    /// A line of an import.
    virtual Told take_over(const std::string& line) = 0;
    virtual Seq as_of() const = 0;
};

/// One proposal, or what would be said of it: how every command that writes asks.
Outcome<Told> propose_once(Context& context, const std::string& proposal, bool dry_run);

/// Reads an answer's JSON as far as this program needs it.
Outcome<Told> told_from_json(std::string json);

}  // namespace se::statectl
