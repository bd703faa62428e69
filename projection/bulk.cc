#include "projection/bulk.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <numeric>
#include <utility>

#include "journal/base/canary.h"
#include "projection/layout.h"

namespace se {
namespace {

using lmdb::Database;

constexpr std::size_t kTransactionBytes =
    16u << 20;  // small enough to be done again when the map is full

/// Appends `count` rows; `row(i)` gives the i-th one, {key, value}, in ascending order.
template <class Row>
Status append_rows(lmdb::Env& env, Database database, std::size_t count, const Row& row) {
    std::size_t begin = 0;
    while (begin < count) {
        std::size_t end = begin;
        SE_TRY_OK(env.write([&](lmdb::WriteTxn& txn) -> Status {
            std::size_t bytes = 0;
            for (end = begin; end < count && bytes < kTransactionBytes; ++end) {
                const auto& [key, value] = row(end);
                Status put = database == Database::history
                                 ? txn.append_several(database, key, value)
                                 : txn.append(database, key, value);
                if (!put) return put;
                bytes += key.size() + value.size();
            }
            return Ok{};
        }));
        begin = end;
    }
    return Ok{};
}

/// The same rows for who reads them one by one.
template <class Row>
class CountedRows final : public RowWalk {
public:
    CountedRows(std::size_t count, Row row) : count_(count), row_(std::move(row)) { stand(); }
    Status next() override {
        ++at_;
        stand();
        return Ok{};
    }

private:
    void stand() {
        there_ = at_ < count_;
        if (!there_) return;
        const auto& [key, value] = row_(at_);
        key_bytes_ = key;
        value_bytes_ = value;
        key_ = key_bytes_;
        value_ = value_bytes_;
    }

    std::size_t count_, at_ = 0;
    Row row_;
    std::string key_bytes_, value_bytes_;
};

template <class Row>
std::unique_ptr<RowWalk> walk_of(std::size_t count, Row row) {
    return std::make_unique<CountedRows<Row>>(count, std::move(row));
}

std::string_view bytes_of(const std::uint64_t& seq) {
    return {reinterpret_cast<const char*>(&seq), sizeof seq};
}

}  // namespace

Status BulkFold::add(const RecordView& record) {
    if (record.seq <= seq_) return Ok{};
    SE_TRY_OK(folder_.fold(
        record, [&](std::string_view name, const EntryView& entry) { return put(name, entry); }));
    if (const std::optional<Identity> identity = identity_of(record))
        bindings_.push_back({identity->key, identity->content, record.seq});
    seq_ = record.seq;
    return Ok{};
}

Status BulkFold::put(std::string_view name, const EntryView& entry) {
    auto found = index_.find(name);
    if (found == index_.end()) {
        found = index_.emplace(name, static_cast<std::uint32_t>(keys_.size())).first;
        SE_ASSERT(keys_.size() < UINT32_MAX);
        keys_.push_back({found->first, {}});
    }
    Key& key = keys_[found->second];
    if (key.live) --live_keys_;
    key.live = !entry.deleted;
    if (key.live) ++live_keys_;
    key.entry.clear();
    encode_entry(key.entry, entry);
    changes_.push_back({found->second, entry.seq});
    return Ok{};
}

Status BulkFold::load(lmdb::Env& env, const StoreInfo& store, const Position& behind) {
    SE_ASSERT(behind.seq == seq_);
    const std::vector<std::uint32_t> order = key_order();
    SE_TRY_OK(load_state(env, order));
    SE_TRY_OK(load_history(env, order));
    SE_TRY_OK(load_deadlines(env));
    if (!canary(Canary::identity_forgotten)) SE_TRY_OK(load_identities(env));

    const std::pair<std::string_view, std::string> rows[] = {
        {layout::kFormatRow, std::string(layout::kProjectionFormat)},
        {layout::kStoreRow, store.store},
        {layout::kLiveRow, layout::little_endian(live_keys_)},
        {layout::kWatermarkRow, layout::encode_watermark(behind)}};
    const auto put_meta = [&](lmdb::WriteTxn& txn) -> Status {
        for (const auto& [row, value] : rows) SE_TRY_OK(txn.put(Database::meta, row, value));
        return Ok{};
    };
    return env.write(put_meta, lmdb::CommitNote{behind.seq, behind.epoch});
}

Result<std::unique_ptr<RowWalk>> BulkFold::rows(Database database) {
    using Row = std::pair<std::string_view, std::string_view>;
    using OwnRow = std::pair<std::string_view, std::string>;
    switch (database) {
        case Database::state:
            return walk_of(keys_.size(), [this, order = key_order()](std::size_t i) {
                const Key& key = keys_[order[i]];
                return Row(key.name, key.entry);
            });
        case Database::history: {
            std::vector<std::uint32_t> order = key_order();
            std::vector<std::size_t> ends;
            std::vector<std::uint64_t> seqs = changes_by_key(order, &ends);
            return walk_of(changes_.size(),
                           [this, order = std::move(order), ends = std::move(ends),
                            seqs = std::move(seqs), key = std::size_t{0}](std::size_t i) mutable {
                               while (i >= ends[order[key]]) ++key;
                               return Row(keys_[order[key]].name, bytes_of(seqs[i]));
                           });
        }
        case Database::ttl: {
            SE_TRY(rows, deadlines());
            const std::size_t count = rows.size();
            return walk_of(count, [rows = std::move(rows)](std::size_t i) {
                return OwnRow(rows[i].first, layout::little_endian(rows[i].second));
            });
        }
        case Database::ids: {
            std::vector<Binding> rows = identities();
            const std::size_t count = rows.size();
            return walk_of(count, [rows = std::move(rows)](std::size_t i) {
                return OwnRow(layout::bytes_of(rows[i].key),
                              layout::bound_row(rows[i].content, rows[i].seq));
            });
        }
        case Database::held:
        case Database::pending:
        case Database::buckets:
        case Database::meta:
            break;
    }
    return walk_of(0, [](std::size_t) { return Row(); });
}

std::vector<std::uint32_t> BulkFold::key_order() const {
    std::vector<std::uint32_t> order(keys_.size());
    std::iota(order.begin(), order.end(), 0u);
    std::ranges::sort(order, {}, [this](std::uint32_t key) { return keys_[key].name; });
    return order;
}

Status BulkFold::load_state(lmdb::Env& env, const std::vector<std::uint32_t>& order) const {
    return append_rows(env, Database::state, order.size(), [&](std::size_t i) {
        const Key& key = keys_[order[i]];
        return std::pair<std::string_view, std::string_view>(key.name, key.entry);
    });
}

std::vector<std::uint64_t> BulkFold::changes_by_key(const std::vector<std::uint32_t>& order,
                                                    std::vector<std::size_t>* ends) const {
    // Changes are in seq order already: counting how many each key has brings them into key order.
    std::vector<std::size_t> next(keys_.size());
    for (const Change& change : changes_) ++next[change.key];
    std::size_t begin = 0;
    ends->resize(keys_.size());
    for (const std::uint32_t key : order) {
        begin += std::exchange(next[key], begin);
        (*ends)[key] = begin;
    }
    std::vector<std::uint64_t> sorted(changes_.size());
    for (const Change& change : changes_)
        sorted[next[change.key]++] = std::byteswap(change.seq.value);
    return sorted;
}

Status BulkFold::load_history(lmdb::Env& env, const std::vector<std::uint32_t>& order) const {
    std::vector<std::size_t> ends;
    const std::vector<std::uint64_t> sorted = changes_by_key(order, &ends);
    const char* const bytes = reinterpret_cast<const char*>(sorted.data());
    const auto row = [&](std::size_t i) {
        const std::size_t from = i == 0 ? 0 : ends[order[i - 1]];
        return std::pair<std::string_view, std::string_view>(
            keys_[order[i]].name, {bytes + 8 * from, 8 * (ends[order[i]] - from)});
    };
    return append_rows(env, Database::history, order.size(), row);
}

Result<std::vector<BulkFold::Deadline>> BulkFold::deadlines() const {
    std::vector<Deadline> rows;
    for (const Key& key : keys_) {
        SE_TRY(entry, decode_entry(key.entry));
        if (entry.expires_at)
            rows.emplace_back(layout::ttl_key(*entry.expires_at, key.name), entry.version.value);
    }
    std::ranges::sort(rows);
    return rows;
}

Status BulkFold::load_deadlines(lmdb::Env& env) const {
    SE_TRY(rows, deadlines());
    return append_rows(env, Database::ttl, rows.size(), [&](std::size_t i) {
        return std::pair<std::string_view, std::string>(rows[i].first,
                                                        layout::little_endian(rows[i].second));
    });
}

std::vector<BulkFold::Binding> BulkFold::identities() {
    const auto by_key = [](const Binding& a, const Binding& b) {
        const int order = std::memcmp(a.key.data(), b.key.data(), a.key.size());
        return order != 0 ? order < 0 : a.seq < b.seq;
    };
    const auto same_key = [](const Binding& a, const Binding& b) { return a.key == b.key; };
    std::ranges::sort(bindings_, by_key);

    // The first content owns the id; others under it are identities of their own.
    std::vector<Binding> reused;
    const Binding* owner = nullptr;
    for (const Binding& binding : bindings_) {
        if (owner == nullptr || owner->key != binding.key)
            owner = &binding;
        else if (owner->content != binding.content)
            reused.push_back(
                {reused_identity({binding.key, binding.content}), binding.content, binding.seq});
    }
    std::vector<Binding> rows;
    rows.reserve(bindings_.size() + reused.size());
    std::ranges::sort(reused, by_key);
    std::ranges::merge(bindings_, reused, std::back_inserter(rows), by_key);
    const auto repeated = std::ranges::unique(rows, same_key);
    rows.erase(repeated.begin(), repeated.end());
    return rows;
}

Status BulkFold::load_identities(lmdb::Env& env) {
    const std::vector<Binding> rows = identities();
    return append_rows(env, Database::ids, rows.size(), [&](std::size_t i) {
        return std::pair<std::string_view, std::string>(
            layout::bytes_of(rows[i].key), layout::bound_row(rows[i].content, rows[i].seq));
    });
}

}  // namespace se
