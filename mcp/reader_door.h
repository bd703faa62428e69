#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "journal/journal_reader.h"
#include "mcp/state_door.h"
#include "projection/state_reader.h"

namespace se::mcp {

/// Who decides proposals for a process that only reads the store.
class Decider {
public:
    virtual ~Decider() = default;
    /// As StateDoor::propose().
    virtual void propose(Json proposal, Caller caller, bool dry_run, std::function<void(Decided)> done) = 0;

    // What it would decide by.
    /// May ask whoever decides, and waits only briefly for that.
    virtual std::vector<std::string> allowed_keys() = 0;
    /// As far as it is known: asks nobody.
    virtual Limits limits() = 0;
    /// The journal says that this is in force from now on.
    virtual void learn(Policy policy) = 0;
};

/// The state as a process beside the writer reads it, from LMDB and the journal themselves; proposals go to a
/// Decider. Takes no lock, and works whether a writer lives or not.
class ReaderDoor final : public StateDoor {
public:
    /// `place` is of a store that may not be there yet: then the state is empty until it is.
    ReaderDoor(ProjectionPlace place, StateReader::Options options, Decider& decider)
        : place_(std::move(place)), options_(options), decider_(decider) {}

    /// Looks for changes, for whoever follows, and for a new policy among them, for the Decider. Cheap when there are
    /// none; to be called now and then.
    void look();
    bool followed() const { return static_cast<bool>(changed_); }
    /// Lets go of the state: LMDB reuses no page while one is held. For the end of a turn.
    void release();
    /// Closes all files of the store, until the next refresh(): before this process opens it to write, and before it
    /// closes it again. LMDB's files can be open only once in a process.
    void close();

    Result<AsOf> refresh() override;
    Result<std::optional<EntryView>> get(std::string_view key) override;
    Result<std::vector<std::pair<std::string, Entry>>> list(std::string_view prefix, std::string_view after,
                                                            std::size_t limit) override;
    Result<std::vector<Seq>> history(std::string_view key, Seq before, std::size_t limit) override;
    Status records(Seq from, const std::function<bool(const RecordView&)>& take) override;
    Status record(Seq seq, const std::function<void(const RecordView&)>& take) override;
    Result<bool> is_void(Cursor* cursor) override;
    Result<Changes> changes_since(Cursor* cursor, std::string_view prefix, std::size_t limit) override;
    std::vector<std::string> allowed_keys() override { return decider_.allowed_keys(); }
    Limits limits() override { return decider_.limits(); }
    void propose(Json proposal, Caller caller, bool dry_run, std::function<void(Decided)> done) override {
        decider_.propose(std::move(proposal), std::move(caller), dry_run, std::move(done));
    }
    void follow(std::function<void()> changed) override { changed_ = std::move(changed); }

private:
    Result<JournalReader*> journal();
    void look_for_policy(Seq from);

    ProjectionPlace place_;
    StateReader::Options options_;
    Decider& decider_;
    std::optional<StateReader> reader_;
    std::optional<JournalReader> journal_;
    AsOf as_of_;
    std::function<void()> changed_;
    Cursor told_;
};

}  // namespace se::mcp
