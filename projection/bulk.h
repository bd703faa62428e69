#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "journal/store.h"
#include "projection/fold.h"
#include "projection/lmdb.h"
#include "projection/projection.h"
#include "projection/row_walk.h"

namespace se {

/// The fold of a whole journal, gathered in memory and then loaded in key order, page by full page:
/// how a generation regrows. Much faster than applying record by record, and smaller.
///
/// Its limit is memory, for it holds all at once: the encoded entries of all keys and about 150
/// bytes more a key, 40 bytes a bound id, 16 bytes a change. 10 million records over 1 million keys
/// of half a kilobyte take about 1.3 GB. Nothing is spilled to disk.
class BulkFold {
public:
    /// Records in order; one at or below seq() is skipped.
    Status add(const RecordView& record);
    /// Loads it into an empty `env`, in several transactions; the last one has the watermark and
    /// the store's id, without which nobody opens it (P1). After an Error, again into another one.
    Status load(lmdb::Env& env, const StoreInfo& store, const Position& behind);
    /// The rows of `database` as load() would write them; of `meta` none. Valid until the next
    /// add(). Takes about 40 bytes more an id, a key or a change for as long as it is held.
    Result<std::unique_ptr<RowWalk>> rows(lmdb::Database database);

    std::uint64_t live_keys() const { return live_keys_; }
    Seq seq() const { return seq_; }

private:
    struct KeyHash {
        using is_transparent = void;
        std::size_t operator()(std::string_view key) const {
            return std::hash<std::string_view>{}(key);
        }
    };
    struct Key {
        std::string_view name;  // index_ owns it
        std::string entry;      // encoded
        bool live = false;
    };
    struct Change {
        std::uint32_t key;  // index into keys_
        Seq seq;
    };
    struct Binding {
        Hash16 key, content;
        Seq seq;
    };

    using Deadline = std::pair<std::string, std::uint64_t>;  // key of its row, version

    Status put(std::string_view name, const EntryView& entry);
    std::vector<std::uint32_t> key_order() const;
    /// The seqs of the changes, big-endian, key by key in `order`; where each key's end.
    std::vector<std::uint64_t> changes_by_key(const std::vector<std::uint32_t>& order,
                                              std::vector<std::size_t>* ends) const;
    Result<std::vector<Deadline>> deadlines() const;
    std::vector<Binding> identities();
    Status load_state(lmdb::Env& env, const std::vector<std::uint32_t>& order) const;
    Status load_history(lmdb::Env& env, const std::vector<std::uint32_t>& order) const;
    Status load_deadlines(lmdb::Env& env) const;
    Status load_identities(lmdb::Env& env);

    Folder folder_;
    std::unordered_map<std::string, std::uint32_t, KeyHash, std::equal_to<>> index_;
    std::vector<Key> keys_;
    std::vector<Change> changes_;  // in seq order
    std::vector<Binding> bindings_;
    std::uint64_t live_keys_ = 0;
    Seq seq_;
};

}  // namespace se
