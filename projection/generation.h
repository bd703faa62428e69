#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>

#include "journal/base/filesystem.h"
#include "projection/bulk.h"
#include "projection/lmdb.h"
#include "projection/projection.h"

namespace se {

/// One LMDB of the projection, from its first byte to its last: projection/<number>/. It knows how
/// records become rows (P1 to P3); which generation counts, and whether it can be believed, is
/// Projection's to say.
class Generation {
public:
    /// Errc::corruption, not_found or unsupported: not to be used. Others: not now.
    static Result<std::unique_ptr<Generation>> open(const std::string& directory,
                                                    std::uint64_t number, const StoreInfo& store,
                                                    const ProjectionOptions& options);
    /// Makes one of what `bulk` holds, as of `behind`. After an Error nothing is left of it.
    static Result<std::unique_ptr<Generation>> load(FileSystem& files,
                                                    const std::string& cache_directory,
                                                    std::uint64_t number, const StoreInfo& store,
                                                    const ProjectionOptions& options,
                                                    BulkFold& bulk, const Position& behind);

    std::uint64_t number() const { return number_; }
    const std::string& data_file() const { return data_file_; }
    const Position& watermark() const { return watermark_; }
    lmdb::Env& env() const { return *env_; }
    Result<Snapshot> snapshot() const { return Snapshot::of(*env_); }

    /// See Projection::apply.
    Status apply(std::span<const RecordView* const> records, const Position& behind);

private:
    Generation(std::shared_ptr<lmdb::Env> env, const std::string& directory, std::uint64_t number)
        : env_(std::move(env)), data_file_(directory + "/data.mdb"), number_(number) {}

    Status fold(lmdb::WriteTxn& txn, const RecordView& record, std::uint64_t* live);
    Status put(lmdb::WriteTxn& txn, std::string_view key, const EntryView& entry,
               std::uint64_t* live);

    std::shared_ptr<lmdb::Env> env_;
    std::string data_file_;
    std::uint64_t number_ = 0;
    Position watermark_;
    std::uint64_t live_keys_ = 0;
    Folder folder_;
    std::string encoded_;  // memory reused from change to change
};

/// Whether this is a finished projection of that store, in a format that we know.
Status check_meta(const lmdb::ReadTxn& txn, const StoreInfo& store);

/// Numbers of all generations that lie in `cache_directory`, whole or not.
Result<std::vector<std::uint64_t>> list_generations(FileSystem& files,
                                                    const std::string& cache_directory);
std::string generation_directory(const std::string& cache_directory, std::uint64_t number);

}  // namespace se
