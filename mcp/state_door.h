#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/answer.h"
#include "engine/change_feed.h"
#include "engine/decide.h"
#include "engine/limits.h"
#include "journal/base/json.h"
#include "journal/base/result.h"
#include "journal/journal_reader.h"
#include "projection/entry.h"

namespace se::mcp {

/// What was said about one proposal, as every door says it.
struct Decided {
    Answer::Status status = Answer::Status::rejected;
    Code code = Code::none;
    std::string id;
    std::string json;  ///< the whole answer (INTERFACES "Answer"): an object
};

/// What tools need of the state, wherever they run: in the daemon, or in a process beside it. It knows no
/// callers' rights but those that decide a proposal; who may read what is for the tools to see to. All calls
/// on one thread.
class StateDoor {
public:
    struct AsOf {
        Epoch epoch;
        Seq seq;
        bool stale = false;     ///< acknowledged records above `seq` are or may be missing
        std::string why_stale;
    };

    virtual ~StateDoor() = default;

    /// Moves to the newest state there is. All reads until the next refresh(), within one turn, are as of it.
    /// Errc::unavailable when there is none for now; the text says why.
    virtual Result<AsOf> refresh() = 0;

    // Each needs a refresh() before it.
    /// Tombstones too. The view is into the state itself: it ends with the turn, and with the next refresh().
    virtual Result<std::optional<EntryView>> get(std::string_view key) = 0;
    /// Live entries with `prefix`, > `after` when that is not empty, in byte order, at most `limit`.
    virtual Result<std::vector<std::pair<std::string, Entry>>> list(std::string_view prefix,
                                                                    std::string_view after,
                                                                    std::size_t limit) = 0;
    /// Seqs < `before` of records that changed `key`, the newest `limit` of them.
    virtual Result<std::vector<Seq>> history(std::string_view key, Seq before, std::size_t limit) = 0;
    /// Shows the records from `from` on, until `take` says false or there are no more.
    virtual Status records(Seq from, const std::function<bool(const RecordView&)>& take) = 0;
    /// One record. Errc::not_found when there is none of that seq.
    virtual Status record(Seq seq, const std::function<void(const RecordView&)>& take) = 0;
    /// For whoever comes with a cursor from before. True: what was told up to there does not stand, for it is of
    /// a past that did not last, of another store, or behind records that a repair gave up since. Then it stands
    /// where whoever reads again now goes on from.
    virtual Result<bool> is_void(Cursor* cursor) = 0;
    /// Changes behind `cursor`, of at most `limit` records; moves it. Needs is_void() before the first one.
    /// `resync`: a later epoch began before it; it stands where to go on from now.
    virtual Result<Changes> changes_since(Cursor* cursor, std::string_view prefix, std::size_t limit) = 0;

    virtual std::vector<std::string> allowed_keys() = 0;
    virtual Limits limits() = 0;

    /// Has a proposal decided; nothing is journaled on a dry run. `done` is called exactly once, now or later, when
    /// the decision is on the disk.
    virtual void propose(Json proposal, Caller caller, bool dry_run, std::function<void(Decided)> done) = 0;

    /// `changed` is called when there may be new changes, from then on until follow({}).
    virtual void follow(std::function<void()> changed) = 0;
};

}  // namespace se::mcp
