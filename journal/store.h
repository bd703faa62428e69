#pragma once

#include <memory>
#include <string>

#include "journal/base/filesystem.h"
#include "journal/base/random.h"
#include "journal/base/result.h"
#include "journal/paths.h"

namespace se {

/// store.json: {"format":"state-engine-store/1","store":"<uuid>","secret":"<64 hex>"}. Written once.
/// The secret keys the content hashes of identities; it never leaves this file and memory.
struct StoreInfo {
    std::string store;
    std::string secret;  ///< 32 raw bytes
};

/// Reads it. Errc::not_found where there is no store, Errc::unsupported for a newer major format.
Result<StoreInfo> read_store(FileSystem& files, const StorePaths& paths);

/// The store's id as store.json tells it; where that does not hold, as HEAD or the first good segment header
/// does, with `*why` set. For tools that show what is left: nobody opens such a store.
Result<std::string> store_id_as_told(FileSystem& files, const StorePaths& paths, std::string* why);

/// The right to write. Lives as long as the writer does.
struct StoreHold {
    StoreInfo info;
    std::unique_ptr<FileLock> lock;
};

/// Makes the folders and store.json when absent (crash-safe: a half-made store is finished), then
/// takes the lock on store.json. Errc::busy when a writer runs.
Result<StoreHold> hold_store(FileSystem& files, Random& random, const StorePaths& paths);

}  // namespace se
