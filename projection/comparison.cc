#include "projection/comparison.h"

#include <algorithm>
#include <array>
#include <compare>
#include <memory>
#include <utility>

#include "projection/layout.h"
#include "projection/snapshot.h"

namespace se {
namespace {

using lmdb::Database;

constexpr std::size_t kDifferentKeysMax = 20;
/// Rows out of order that a slice passes over. One more, and the rest of that database is not
/// looked at: it has no order that two walks could share.
constexpr std::uint64_t kOutOfOrderMax = 1024;

struct Walked {
    Database database;
    std::string_view name;
};
/// All that is the fold. `meta`, which is more than that, is looked at behind them.
constexpr std::array<Walked, 7> kWalked = {{{Database::state, "state"},
                                            {Database::history, "history"},
                                            {Database::ids, "ids"},
                                            {Database::ttl, "ttl"},
                                            {Database::held, "held"},
                                            {Database::pending, "pending"},
                                            {Database::buckets, "buckets"}}};
static_assert(kWalked.front().database == Database::state);
static_assert(kWalked.size() + 1 == lmdb::kDatabases);
constexpr std::string_view kMeta = "meta";

std::string_view name_of(Database database) {
    return std::ranges::find(kWalked, database, &Walked::database)->name;
}

/// Where a key has several values, each is a row of its own.
bool has_several(Database database) {
    return database == Database::history;
}

std::strong_ordering order_of(Database database, const auto& a_key, const auto& a_value,
                              const auto& b_key, const auto& b_value) {
    const auto by_key = std::string_view(a_key) <=> std::string_view(b_key);
    if (by_key != 0 || !has_several(database)) return by_key;
    return std::string_view(a_value) <=> std::string_view(b_value);
}

/// Says where to look, by the record's seq where the row has one: no key, no value, no id.
std::string words_of(Database database, const RowWalk& row) {
    const auto at_seq = [](std::string_view what, Seq seq) {
        return std::string(what) + std::to_string(seq.value);
    };
    if (database == Database::state) return "a key";
    if (database == Database::ttl) return "a deadline";
    if (database == Database::history && row.value().size() == 8)
        return at_seq("a change at seq ", Seq{layout::from_big_endian(row.value())});
    if (database == Database::ids)
        if (const auto bound = layout::parse_bound_row(row.value()))
            return at_seq("an id bound at seq ", bound->seq);
    return "a row";
}

std::string_view key_of(Database database, const RowWalk& row) {
    if (database == Database::state || database == Database::history) return row.key();
    if (database != Database::ttl) return {};
    const auto parsed = layout::parse_ttl_key(row.key());
    return parsed ? parsed->key : std::string_view{};
}

}  // namespace

/// One slice of the live one's rows. LMDB has no checksums, so a byte that was changed in a key can
/// bring rows out of order: each row is looked at beside the one behind it.
class Comparison::LiveRows final : public RowWalk {
public:
    static Result<std::unique_ptr<LiveRows>> behind(const lmdb::ReadTxn& txn, Database database,
                                                    const std::optional<Place>& after) {
        SE_TRY(cursor, txn.cursor(database));
        std::unique_ptr<LiveRows> rows(new LiveRows(txn, std::move(cursor), database));
        SE_TRY_OK(rows->stand_behind(after));
        return rows;
    }

    Status next() override {
        there_ = more_;
        if (!there_) return Ok{};
        key_ = cursor_.key();
        value_ = cursor_.value();
        return step();
    }

    /// Whether the row belongs somewhere else: it is not above `after`, or not below the next one.
    bool out_of_order(const std::optional<Place>& after) const {
        if (after && order_of(database_, key_, value_, after->key, after->value) <= 0) return true;
        return more_ && order_of(database_, key_, value_, cursor_.key(), cursor_.value()) >= 0;
    }

    /// Whether who asks for the key finds the row: a byte changed in a page above it leads astray.
    Result<bool> is_found() const {
        SE_TRY(found, txn_.get(database_, key_));
        return found && (has_several(database_) || found->data() == value_.data());
    }

private:
    LiveRows(const lmdb::ReadTxn& txn, lmdb::Cursor cursor, Database database)
        : txn_(txn), cursor_(std::move(cursor)), database_(database) {}

    Status stand_behind(const std::optional<Place>& after) {
        SE_TRY(found, !after                   ? cursor_.first()
                      : has_several(database_) ? cursor_.seek(after->key, after->value)
                                               : cursor_.seek(after->key));
        more_ = found;
        if (more_ && after &&
            order_of(database_, cursor_.key(), cursor_.value(), after->key, after->value) == 0)
            SE_TRY_OK(step());
        return next();
    }
    Status step() {
        SE_TRY(more, cursor_.next());
        more_ = more;
        return Ok{};
    }

    const lmdb::ReadTxn& txn_;
    lmdb::Cursor cursor_;  // one row further on: what was read stays in its page
    Database database_;
    bool more_ = false;  // it stands on one
};

Result<bool> Comparison::step(const Snapshot& live, const Snapshot& rebuilt, std::uint64_t* rows) {
    SE_ASSERT(live.seq() == rebuilt.seq());
    if (!state_seen()) seq_ = live.seq();
    while (database_ < kWalked.size()) {
        const Database database = kWalked[database_].database;
        SE_TRY(of_live, LiveRows::behind(live.state_->txn, database, after_));
        SE_TRY(of_rebuilt, LiveRows::behind(rebuilt.state_->txn, database, after_));
        SE_TRY(end, walk(database, *of_live, *of_rebuilt, rows));
        if (!end) return false;
        next_database();
        if (database == Database::state) return false;
    }
    SE_TRY(live_keys, rebuilt.live_keys());
    SE_TRY(row, rebuilt.state_->txn.get(Database::meta, layout::kWatermarkRow));
    SE_ASSERT(row);
    SE_TRY(watermark, layout::decode_watermark(*row));
    SE_TRY_OK(compare_meta(live.state_->txn, live_keys, watermark.frontier));
    return true;
}

Status Comparison::all(const Snapshot& live, BulkFold& rebuilt) {
    seq_ = live.seq();
    for (; database_ < kWalked.size(); next_database()) {
        const Database database = kWalked[database_].database;
        SE_TRY(of_live, LiveRows::behind(live.state_->txn, database, {}));
        SE_TRY(of_rebuilt, rebuilt.rows(database));
        std::uint64_t any = UINT64_MAX;
        SE_TRY_OK(walk(database, *of_live, *of_rebuilt, &any));
    }
    return compare_meta(live.state_->txn, rebuilt.live_keys(), {});
}

Rebuild::Report Comparison::report() const {
    Rebuild::Report report{.keys = keys_,
                           .seq = seq_,
                           .root_live = tree_live_.root(),
                           .root_rebuilt = tree_rebuilt_.root(),
                           .different_keys = different_keys_,
                           .different_rows = different_rows_};
    report.equal = report.root_live == report.root_rebuilt && report.different_rows.empty();
    return report;
}

void Comparison::next_database() {
    ++database_;
    after_.reset();
    live_lost_ = false;
}

/// True: at the end of both. Else `after_` has moved, however damaged the live one is.
Result<bool> Comparison::walk(Database database, LiveRows& live, RowWalk& rebuilt,
                              std::uint64_t* rows) {
    const bool is_state = database == Database::state;
    std::uint64_t out_of_order = 0;
    for (;;) {
        const bool live_there = live.there() && !live_lost_;
        if (!live_there && !rebuilt.there()) return true;
        const std::strong_ordering order =
            !live_there ? std::strong_ordering::greater
            : !rebuilt.there()
                ? std::strong_ordering::less
                : order_of(database, live.key(), live.value(), rebuilt.key(), rebuilt.value());
        if (live_there && order != 0 && live.out_of_order(after_)) {
            differs(database, &live, nullptr);
            if (is_state) tree_live_.append(state_leaf(live.key(), live.value()));
            SE_TRY_OK(live.next());
            live_lost_ = ++out_of_order > kOutOfOrderMax;
            continue;
        }
        if (*rows == 0) return false;
        --*rows;
        const bool take_live = order <= 0;
        const bool take_rebuilt = order >= 0;
        bool same = take_live && take_rebuilt && live.value() == rebuilt.value();
        if (same && (!after_ || after_->key != live.key())) {
            SE_TRY(found, live.is_found());
            same = found;
        }
        if (!same)
            differs(database, take_live ? &live : nullptr, take_rebuilt ? &rebuilt : nullptr);
        if (!after_) after_.emplace();
        const RowWalk& taken = take_rebuilt ? rebuilt : live;
        after_->key = taken.key();
        if (has_several(database)) after_->value = taken.value();
        if (take_live) {
            if (is_state) tree_live_.append(state_leaf(live.key(), live.value()));
            SE_TRY_OK(live.next());
        }
        if (take_rebuilt) {
            if (is_state) {
                ++keys_;
                tree_rebuilt_.append(state_leaf(rebuilt.key(), rebuilt.value()));
            }
            SE_TRY_OK(rebuilt.next());
        }
    }
}

/// A row that only one of the two has, or both otherwise. Needs one of them at least.
void Comparison::differs(Database database, const RowWalk* live, const RowWalk* rebuilt) {
    // What is missing behind a place from which on nothing could be compared, nobody knows.
    if (live_lost_) return;
    const RowWalk& row = rebuilt != nullptr ? *rebuilt : *live;
    const std::string_view key = key_of(database, row);
    if (database == Database::state && different_keys_.size() < kDifferentKeysMax)
        different_keys_.emplace_back(key);
    const std::string_view how = live == nullptr      ? " is missing"
                                 : rebuilt == nullptr ? " is there, and no record made it"
                                 : live->value() == rebuilt->value()
                                     ? " is there, and not found by its key"
                                     : " reads otherwise";
    tell(name_of(database), words_of(database, row).append(how), key);
}

void Comparison::tell(std::string_view database, std::string first, std::string_view key) {
    if (different_rows_.empty() || different_rows_.back().database != database)
        different_rows_.push_back({.database = std::string(database),
                                   .rows = 0,
                                   .first = std::move(first),
                                   .key = std::string(key)});
    ++different_rows_.back().rows;
}

Status Comparison::compare_meta(const lmdb::ReadTxn& live, std::uint64_t live_keys,
                                const std::optional<Frontier>& log) {
    SE_TRY(count, live.get(Database::meta, layout::kLiveRow));
    if (!count || count->size() != 8) {
        tell(kMeta, "the number of live keys cannot be read", {});
    } else if (const auto counted = layout::from_little_endian(*count); counted != live_keys) {
        tell(kMeta,
             "the number of live keys is " + std::to_string(counted) + ", not " +
                 std::to_string(live_keys),
             {});
    }
    if (!log) return Ok{};
    SE_TRY(row, live.get(Database::meta, layout::kWatermarkRow));
    const auto watermark = layout::decode_watermark(row.value_or(std::string_view{}));
    if (!watermark || watermark->frontier != *log) tell(kMeta, "the log root is another", {});
    return Ok{};
}

}  // namespace se
