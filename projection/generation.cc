#include "projection/generation.h"

#include <algorithm>
#include <charconv>

#include "journal/base/canary.h"
#include "projection/layout.h"

namespace se {
namespace {

using lmdb::Database;

lmdb::MapLimits limits_of(const ProjectionOptions& options) {
    return {options.map_bytes_first, options.map_step_bytes, options.map_bytes_max};
}

}  // namespace

Status check_meta(const lmdb::ReadTxn& txn, const StoreInfo& store) {
    SE_TRY(format, txn.get(Database::meta, layout::kFormatRow));
    SE_TRY(of_store, txn.get(Database::meta, layout::kStoreRow));
    if (!format) return Error{Errc::corruption, "projection: it was never finished"};
    if (*format != layout::kProjectionFormat)
        return Error{Errc::unsupported, "projection: it has the format " + std::string(*format)};
    if (of_store != store.store) return Error{Errc::corruption, "projection: of another store"};
    return Ok{};
}

std::string generation_directory(const std::string& cache_directory, std::uint64_t number) {
    return cache_directory + "/" + std::to_string(number);
}

Result<std::vector<std::uint64_t>> list_generations(FileSystem& files,
                                                    const std::string& cache_directory) {
    std::vector<std::uint64_t> numbers;
    const auto names = files.list(cache_directory);
    if (!names && names.error().code == Errc::not_found) return numbers;
    if (!names) return names.error();
    for (const std::string& name : *names) {
        std::uint64_t number = 0;
        const char* const end = name.data() + name.size();
        const auto parsed = std::from_chars(name.data(), end, number);
        if (parsed.ec == std::errc{} && parsed.ptr == end) numbers.push_back(number);
    }
    return numbers;
}

Result<std::unique_ptr<Generation>> Generation::open(const std::string& directory,
                                                     std::uint64_t number, const StoreInfo& store,
                                                     const ProjectionOptions& options) {
    SE_TRY(env, lmdb::Env::open_writer(directory, limits_of(options)));
    SE_TRY(txn, env->read());
    SE_TRY_OK(check_meta(txn, store));
    SE_TRY(watermark, txn.get(Database::meta, layout::kWatermarkRow));
    SE_TRY(live, txn.get(Database::meta, layout::kLiveRow));
    if (!watermark || !live || live->size() != 8)
        return Error{Errc::corruption, "projection: no watermark"};
    std::unique_ptr<Generation> generation(new Generation(std::move(env), directory, number));
    SE_TRY(position, layout::decode_watermark(*watermark));
    generation->watermark_ = std::move(position);
    generation->live_keys_ = layout::from_little_endian(*live);
    return generation;
}

Result<std::unique_ptr<Generation>> Generation::load(FileSystem& files,
                                                     const std::string& cache_directory,
                                                     std::uint64_t number, const StoreInfo& store,
                                                     const ProjectionOptions& options,
                                                     BulkFold& bulk, const Position& behind) {
    const std::string directory = generation_directory(cache_directory, number);
    SE_TRY_OK(files.make_directory(cache_directory));
    SE_TRY_OK(files.make_directory(directory));
    std::unique_ptr<Generation> generation;
    const auto load_it = [&]() -> Status {
        SE_TRY(env, lmdb::Env::open_writer(directory, limits_of(options)));
        generation.reset(new Generation(std::move(env), directory, number));
        SE_TRY_OK(bulk.load(generation->env(), store, behind));
        SE_TRY_OK(files.sync_directory(directory));
        return files.sync_directory(cache_directory);
    };
    if (const Status loaded = load_it(); !loaded) {
        generation.reset();
        // Best effort: what cannot be removed now goes with the next generation's predecessors.
        if (const Status removed = files.remove_tree(directory); !removed) return loaded.error();
        return loaded.error();
    }
    generation->watermark_ = behind;
    generation->live_keys_ = bulk.live_keys();
    return generation;
}

Status Generation::apply(std::span<const RecordView* const> records, const Position& behind) {
    while (!records.empty() && records.front()->seq <= watermark_.seq) records = records.subspan(1);
    if (records.empty()) return Ok{};  // replay is always safe
    SE_ASSERT(behind.seq == records.back()->seq);
    SE_ASSERT(behind.epoch >= watermark_.epoch);

    std::uint64_t live = 0;
    const auto fold_all = [&](lmdb::WriteTxn& txn) -> Status {
        live = live_keys_;
        Seq last = watermark_.seq;
        for (const RecordView* const record : records) {
            SE_ASSERT(record->seq > last);
            last = record->seq;
            if (canary(Canary::record_skipped) && last.value % 16 == 0) continue;
            SE_TRY_OK(fold(txn, *record, &live));
        }
        // P1: the same transaction.
        SE_TRY_OK(txn.put(Database::meta, layout::kLiveRow, layout::little_endian(live)));
        if (canary(Canary::watermark_apart)) return Ok{};
        return txn.put(Database::meta, layout::kWatermarkRow, layout::encode_watermark(behind));
    };
    SE_TRY_OK(env_->write(fold_all, lmdb::CommitNote{behind.seq, behind.epoch}));
    if (canary(Canary::watermark_apart)) {
        canary_moment();
        SE_TRY_OK(env_->write([&](lmdb::WriteTxn& txn) {
            return txn.put(Database::meta, layout::kWatermarkRow, layout::encode_watermark(behind));
        }));
    }
    watermark_ = behind;
    live_keys_ = live;
    return Ok{};
}

Status Generation::fold(lmdb::WriteTxn& txn, const RecordView& record, std::uint64_t* live) {
    SE_TRY_OK(folder_.fold(record, [&](std::string_view key, const EntryView& entry) {
        return put(txn, key, entry, live);
    }));
    const std::optional<Identity> identity = identity_of(record);
    if (!identity) return Ok{};
    const std::string row = layout::bound_row(identity->content, record.seq);
    SE_TRY(bound, txn.put_new(Database::ids, layout::bytes_of(identity->key), row));
    if (bound) return Ok{};
    SE_TRY(owner, txn.get(Database::ids, layout::bytes_of(identity->key)));
    if (owner->starts_with(layout::bytes_of(identity->content))) return Ok{};
    SE_TRY_OK(txn.put_new(Database::ids, layout::bytes_of(reused_identity(*identity)), row));
    return Ok{};
}

Status Generation::put(lmdb::WriteTxn& txn, std::string_view key, const EntryView& entry,
                       std::uint64_t* live) {
    SE_TRY(before_bytes, txn.find(Database::state, key));
    if (before_bytes) {
        SE_TRY(before, decode_entry(*before_bytes));
        if (before.seq >= entry.seq)  // P3
            return Error{Errc::corruption, "projection: " + std::string(key) + " is of seq " +
                                               std::to_string(before.seq.value) + ", not below " +
                                               std::to_string(entry.seq.value)};
        if (!before.deleted) --*live;
        if (before.expires_at)
            SE_TRY_OK(txn.erase(Database::ttl, layout::ttl_key(*before.expires_at, key)));
    }
    encoded_.clear();
    encode_entry(encoded_, entry);
    SE_TRY_OK(txn.put_here(Database::state, key, encoded_));
    SE_TRY_OK(txn.put(Database::history, key, layout::big_endian(entry.seq.value)));
    if (entry.deleted) return Ok{};
    ++*live;
    if (!entry.expires_at) return Ok{};
    return txn.put(Database::ttl, layout::ttl_key(*entry.expires_at, key),
                   layout::little_endian(entry.version.value));
}

}  // namespace se
