#pragma once

#include <optional>
#include <string>
#include <vector>

#include "journal/merkle.h"
#include "projection/bulk.h"
#include "projection/lmdb.h"
#include "projection/projection.h"
#include "projection/row_walk.h"

namespace se {

/// Whether LMDB is the journal's fold (P2): every database that is part of it is walked side by
/// side with a fresh fold, in key order, a slice at a time, and compared by content; each row is
/// looked up by its key, too; and both state roots. Holds the place that was reached and what is to
/// be told, nothing else.
class Comparison {
public:
    /// Looks at up to `*rows` more rows of the two, which are as of one seq, takes what it looked
    /// at off `*rows`, and stops where `state` ends; true when all has been seen.
    ///
    /// The roots are of one seq. So both must be the same from call to call until state_seen();
    /// from then on newer ones are as good: what moved behind the place that was reached was folded
    /// into both alike.
    Result<bool> step(const Snapshot& live, const Snapshot& rebuilt, std::uint64_t* rows);
    bool state_seen() const { return database_ > 0; }

    /// All at once, against a fold in memory of the same seq. The log roots are not compared.
    Status all(const Snapshot& live, BulkFold& rebuilt);

    /// What was found, once all has been seen; `records` and `swapped` are its caller's to say.
    Rebuild::Report report() const;

private:
    class LiveRows;
    struct Place {
        std::string key, value;
    };

    Result<bool> walk(lmdb::Database database, LiveRows& live, RowWalk& rebuilt,
                      std::uint64_t* rows);
    Status compare_meta(const lmdb::ReadTxn& live, std::uint64_t live_keys,
                        const std::optional<Frontier>& log);
    void next_database();
    void differs(lmdb::Database database, const RowWalk* live, const RowWalk* rebuilt);
    void tell(std::string_view database, std::string first, std::string_view key);

    std::size_t database_ = 0;    // of those that are walked
    std::optional<Place> after_;  // the last row seen in it
    bool live_lost_ = false;      // the live one's rows in it are in no order to walk on in
    Seq seq_;
    std::uint64_t keys_ = 0;
    Frontier tree_live_, tree_rebuilt_;
    std::vector<std::string> different_keys_;
    std::vector<DifferentRows> different_rows_;
};

}  // namespace se
