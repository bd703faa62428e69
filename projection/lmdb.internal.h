#pragma once

#include <lmdb.h>

#include <array>
#include <cstddef>

#include "projection/lmdb.h"

/// What lmdb.cc and lmdb.transactions.cc share.
namespace se::lmdb {

struct DatabaseForm {
    const char* name;
    unsigned flags;
};
inline constexpr std::array<DatabaseForm, kDatabases> kForms = {{
    {"state", 0},
    // Several fixed-size values a key: a third of the space of one key a change, and half the time.
    {"history", MDB_DUPSORT | MDB_DUPFIXED},
    {"ids", 0},
    {"ttl", 0},
    {"held", 0},
    {"pending", 0},
    {"buckets", 0},
    {"meta", 0},
}};

inline std::size_t index(Database database) {
    return static_cast<std::size_t>(database);
}

/// What LMDB or the system answered, as our Status.
Status outcome(int rc, const char* call);
Errc errc_of(int rc);

}  // namespace se::lmdb
