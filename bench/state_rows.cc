#include "bench/state_rows.h"

#include <fmt/format.h>
#include <lmdb.h>

#include <cstdlib>

#include "bench/store.h"
#include "projection/entry.h"

namespace se::bench {
namespace {

constexpr std::uint64_t kReadKeys = 100'000;
constexpr double kPayloadBytes = 36 + 294;  // key and value of the work unit

void check(int rc) {
    if (rc == 0) return;
    fmt::print(stderr, "bench: lmdb: {}\n", mdb_strerror(rc));
    std::exit(1);
}

std::uint64_t key_at(std::uint64_t i) { return (i * 7919) % kReadKeys; }

}  // namespace

std::uint64_t record_bytes_of(Store& store) {
    const Journal& journal = store.engine().journal();
    JournalReader reader = must(JournalReader::open(store.engine().files(), store.engine().paths()));
    const std::uint64_t last = std::min<std::uint64_t>(journal.durable().value, 1000);
    std::uint64_t bytes = 0, records = 0;
    for (;;) {
        const RecordView* record = must(reader.next());
        if (record == nullptr || record->seq.value > last) break;
        if (record->kind != Kind::accepted) continue;
        bytes += record->line.size() + 2;
        ++records;
    }
    return records == 0 ? 1024 : bytes / records;
}

class RawLmdb {
public:
    RawLmdb(const std::string& folder, Store& store) {
        std::filesystem::create_directories(folder);
        check(mdb_env_create(&env_));
        check(mdb_env_set_mapsize(env_, 1ull << 30));
        check(mdb_env_open(env_, folder.c_str(), MDB_WRITEMAP | MDB_NOSYNC | MDB_NORDAHEAD, 0600));
        MDB_txn* txn = nullptr;
        check(mdb_txn_begin(env_, nullptr, 0, &txn));
        check(mdb_dbi_open(txn, nullptr, 0, &dbi_));
        const Snapshot snapshot = must(store.engine().projection().snapshot());
        for (std::uint64_t i = 0; i < kReadKeys; ++i) {
            std::string key = key_of(i), bytes;
            encode_entry(bytes, *must(snapshot.get(key)));
            MDB_val k{key.size(), key.data()}, v{bytes.size(), bytes.data()};
            check(mdb_put(txn, dbi_, &k, &v, 0));
        }
        check(mdb_txn_commit(txn));
        check(mdb_txn_begin(env_, nullptr, MDB_RDONLY, &reader_));
        mdb_txn_reset(reader_);
    }
    ~RawLmdb() {
        mdb_txn_abort(reader_);
        mdb_env_close(env_);
    }
    RawLmdb(const RawLmdb&) = delete;

    std::size_t get(const std::string& key) {
        check(mdb_txn_renew(reader_));
        MDB_val k{key.size(), const_cast<char*>(key.data())}, v{};
        check(mdb_get(reader_, dbi_, &k, &v));
        mdb_txn_reset(reader_);
        return v.mv_size;
    }

private:
    MDB_env* env_ = nullptr;
    MDB_dbi dbi_ = 0;
    MDB_txn* reader_ = nullptr;
};

ReadWorld::ReadWorld(const std::string& folder) : store(folder + "/reads") {
    store.fill(0, kReadKeys);
    raw = std::make_unique<RawLmdb>(folder + "/raw", store);
}
ReadWorld::~ReadWorld() = default;

void add_read_rows(std::vector<Row>& rows, ReadWorld& world, double scale) {
    const auto count = static_cast<std::uint64_t>(1'000'000 * scale);
    const auto timed = [count](auto&& read) {
        std::vector<std::string> keys;
        for (std::uint64_t i = 0; i < 4096; ++i) keys.push_back(key_of(key_at(i)));
        std::size_t bytes = 0;
        const double start = seconds_now();
        for (std::uint64_t i = 0; i < count; ++i) bytes += read(keys[i % keys.size()]);
        const double took = seconds_now() - start;
        if (bytes == 0) std::exit(1);
        return static_cast<double>(count) / took;
    };
    rows.push_back({"mdb_get, bare, 100k keys", "/s", [&world, timed] {
                        return timed([&](const std::string& key) { return world.raw->get(key); });
                    }});
    rows.push_back({"read, in process, snapshot and get, 100k keys", "/s",
                    [&world, timed] {
                        return timed([&](const std::string& key) {
                            const Snapshot snapshot = must(world.store.engine().projection().snapshot());
                            return must(snapshot.get(key))->value.size();
                        });
                    },
                    "mdb_get, bare, 100k keys", 0.85});
    rows.push_back({"read, in process, entry as JSON, 100k keys", "/s",
                    [&world, timed] {
                        std::string out;
                        return timed([&](const std::string& key) {
                            out.clear();
                            must(world.store.engine().append_entry(out, key));
                            return out.size();
                        });
                    },
                    "mdb_get, bare, 100k keys"});
}

SizeWorld::SizeWorld(const std::string& folder, std::uint64_t many_keys)
    : many(many_keys),
      tiny(folder + "/keys-tiny"),
      middle(folder + "/keys-middle"),
      large(folder + "/keys-large") {
    tiny.fill(0, 100);
    middle.fill(0, 10'000);
    fmt::print(stderr, "filling {} keys …\n", many);
    large.fill(0, many);
}

void add_size_rows(std::vector<Row>& rows, SizeWorld& world, double scale) {
    const auto cost = [scale](Store& store, std::uint64_t keys) {
        const auto count = static_cast<std::uint64_t>(60'000 * scale);
        return store.update(count, keys, 64) / static_cast<double>(count) * 1e6;
    };
    const std::string base = "cost of a commit, 64 in flight, 100 keys";
    rows.push_back({base, "us", [&world, cost] { return cost(world.tiny, 100); }});
    rows.push_back({"cost of a commit, 64 in flight, 10k keys", "us",
                    [&world, cost] { return cost(world.middle, 10'000); }, base, 1.3, true});
    rows.push_back({fmt::format("cost of a commit, 64 in flight, {}k keys", world.many / 1000), "us",
                    [&world, cost] { return cost(world.large, world.many); }, base, 1.3, true});
    rows.push_back({"state database a key, after random writes, to payload", "x",
                    [&world] {
                        return static_cast<double>(world.large.engine().projection().used_bytes()) /
                               (static_cast<double>(world.many) * kPayloadBytes);
                    },
                    "", 2.2, true});
}

}  // namespace se::bench
