#include "projection/snapshot.h"

#include <algorithm>

#include "journal/merkle.h"
#include "projection/layout.h"

namespace se {
namespace {

using lmdb::Database;

constexpr char kLeafPrefix = '\0';  // RFC 9162: a leaf is never a node

Error damaged(std::string_view what) {
    return Error{Errc::corruption, "projection: damaged row in " + std::string(what)};
}

}  // namespace

Result<Snapshot> Snapshot::of(lmdb::Env& env) {
    SE_TRY(txn, env.read());
    if (const std::optional<lmdb::CommitNote> note = txn.note())  // a copy: the transaction is moved
        return Snapshot(std::make_unique<State>(std::move(txn), note->seq, note->epoch));
    SE_TRY(row, txn.get(Database::meta, layout::kWatermarkRow));
    const auto watermark = row ? layout::cursor_of_watermark(*row) : std::nullopt;
    if (!watermark) return damaged("meta");
    return Snapshot(std::make_unique<State>(std::move(txn), watermark->seq, watermark->epoch));
}

Snapshot::Snapshot(std::unique_ptr<State> state) : state_(std::move(state)) {}
Snapshot::Snapshot(Snapshot&&) noexcept = default;
Snapshot& Snapshot::operator=(Snapshot&&) noexcept = default;
Snapshot::~Snapshot() = default;

Seq Snapshot::seq() const {
    return state_->seq;
}
Epoch Snapshot::epoch() const {
    return state_->epoch;
}

Result<std::optional<EntryView>> Snapshot::get(std::string_view key) const {
    SE_TRY(bytes, state_->txn.get(Database::state, key));
    if (!bytes) return std::optional<EntryView>{};
    Result<EntryView> entry = decode_entry(*bytes);
    if (!entry) return std::move(entry).error();
    return std::optional<EntryView>(*entry);
}

Status Snapshot::scan(std::string_view prefix, std::string_view after,
                      const std::function<bool(std::string_view, const EntryView&)>& visit) const {
    SE_TRY(cursor, state_->txn.cursor(Database::state));
    const bool behind = !after.empty() && after >= prefix;
    SE_TRY(found, cursor.seek(behind ? after : prefix));
    bool there = found;
    while (there && cursor.key().starts_with(prefix)) {
        if (!behind || cursor.key() != after) {
            SE_TRY(entry, decode_entry(cursor.value()));
            if (!visit(cursor.key(), entry)) break;
        }
        SE_TRY(next, cursor.next());
        there = next;
    }
    return Ok{};
}

Result<std::optional<Snapshot::Bound>> Snapshot::find_identity(const Hash16& key) const {
    SE_TRY(row, state_->txn.get(Database::ids, layout::bytes_of(key)));
    if (!row) return std::optional<Bound>{};
    const std::optional<Bound> bound = layout::parse_bound_row(*row);
    if (!bound) return damaged("ids");
    return bound;
}

Result<std::vector<Seq>> Snapshot::history(std::string_view key, Seq before,
                                           std::size_t limit) const {
    std::vector<Seq> seqs;
    if (key.empty() || limit == 0) return seqs;
    SE_TRY(cursor, state_->txn.cursor(Database::history));
    SE_TRY(found, before.value == 0
                      ? cursor.last_value_of(key)
                      : cursor.last_value_below(key, layout::big_endian(before.value)));
    bool there = found;
    while (there && seqs.size() < limit) {
        if (cursor.value().size() != 8) return damaged("history");
        seqs.push_back(Seq{layout::from_big_endian(cursor.value())});
        SE_TRY(older, cursor.previous_value());
        there = older;
    }
    return seqs;
}

Result<std::vector<Snapshot::Due>> Snapshot::due(Time now, std::size_t limit) const {
    std::vector<Due> all;
    SE_TRY(cursor, state_->txn.cursor(Database::ttl));
    SE_TRY(found, cursor.first());
    bool there = found;
    while (there && all.size() < limit) {
        const auto row = layout::parse_ttl_key(cursor.key());
        if (!row || cursor.value().size() != 8) return damaged("ttl");
        if (row->deadline > now) break;
        all.push_back({std::string(row->key), Version{layout::from_little_endian(cursor.value())},
                       row->deadline});
        SE_TRY(next, cursor.next());
        there = next;
    }
    return all;
}

Result<std::optional<Time>> Snapshot::next_deadline() const {
    SE_TRY(cursor, state_->txn.cursor(Database::ttl));
    SE_TRY(found, cursor.first());
    if (!found) return std::optional<Time>{};
    const auto row = layout::parse_ttl_key(cursor.key());
    if (!row) return damaged("ttl");
    return std::optional(row->deadline);
}

Hash state_leaf(std::string_view key, std::string_view encoded_entry) {
    const auto length = static_cast<std::uint16_t>(key.size());
    const char start[] = {kLeafPrefix, static_cast<char>(length & 0xff),
                          static_cast<char>(length >> 8)};
    return Sha256().add({start, sizeof start}).add(key).add(encoded_entry).finish();
}

Result<Hash> Snapshot::state_root() const {
    Frontier tree;
    SE_TRY(cursor, state_->txn.cursor(Database::state));
    SE_TRY(found, cursor.first());
    bool there = found;
    while (there) {
        tree.append(state_leaf(cursor.key(), cursor.value()));
        SE_TRY(next, cursor.next());
        there = next;
    }
    return tree.root();
}

Result<std::uint64_t> Snapshot::live_keys() const {
    SE_TRY(row, state_->txn.get(Database::meta, layout::kLiveRow));
    if (!row || row->size() != 8) return damaged("meta");
    return layout::from_little_endian(*row);
}

}  // namespace se
