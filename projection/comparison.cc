#include "projection/comparison.h"

#include "projection/snapshot.h"

namespace se {
namespace {

using lmdb::Database;

constexpr std::size_t kDifferentKeysMax = 20;

/// One side's walk through `state`.
struct Side {
    lmdb::Cursor cursor;
    bool there = false;

    static Result<Side> behind(const lmdb::ReadTxn& txn, const std::string& after) {
        SE_TRY(cursor, txn.cursor(Database::state));
        Side side{std::move(cursor)};
        SE_TRY(found, side.cursor.seek(after));
        side.there = found;
        if (side.there && !after.empty() && side.cursor.key() == after) SE_TRY_OK(side.next());
        return side;
    }
    Status next() {
        SE_TRY(more, cursor.next());
        there = more;
        return Ok{};
    }
};

}  // namespace

Result<bool> Comparison::step(std::uint64_t keys_max) {
    SE_TRY(live, Side::behind(live_.state_->txn, after_));
    SE_TRY(rebuilt, Side::behind(rebuilt_.state_->txn, after_));
    for (std::uint64_t seen = 0; seen < keys_max; ++seen) {
        if (!live.there && !rebuilt.there) return true;
        const bool take_live =
            live.there && (!rebuilt.there || live.cursor.key() <= rebuilt.cursor.key());
        const bool take_rebuilt =
            rebuilt.there && (!live.there || rebuilt.cursor.key() <= live.cursor.key());
        after_ = (take_live ? live : rebuilt).cursor.key();
        if (take_live != take_rebuilt || live.cursor.value() != rebuilt.cursor.value())
            differs(after_);
        if (take_live) {
            tree_live_.append(state_leaf(after_, live.cursor.value()));
            SE_TRY_OK(live.next());
        }
        if (take_rebuilt) {
            ++keys_;
            tree_rebuilt_.append(state_leaf(after_, rebuilt.cursor.value()));
            SE_TRY_OK(rebuilt.next());
        }
    }
    return !live.there && !rebuilt.there;
}

void Comparison::differs(std::string_view key) {
    if (different_keys_.size() < kDifferentKeysMax) different_keys_.emplace_back(key);
}

Result<std::string> Comparison::different_counts() const {
    std::string text;
    const auto tell = [&](std::string_view what, std::uint64_t live, std::uint64_t rebuilt) {
        if (live == rebuilt) return;
        if (!text.empty()) text += "; ";
        text.append(what) += " " + std::to_string(live) + ", not " + std::to_string(rebuilt);
    };
    constexpr std::pair<std::string_view, Database> kCounted[] = {
        {"history", Database::history}, {"ids", Database::ids}, {"ttl", Database::ttl}};
    for (const auto& [name, database] : kCounted) {
        SE_TRY(live, live_.state_->txn.count(database));
        SE_TRY(rebuilt, rebuilt_.state_->txn.count(database));
        tell(name, live, rebuilt);
    }
    SE_TRY(live, live_.live_keys());
    SE_TRY(rebuilt, rebuilt_.live_keys());
    tell("live keys", live, rebuilt);
    return text;
}

}  // namespace se
