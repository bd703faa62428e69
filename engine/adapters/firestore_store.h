#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "projection/firestore/document_store.h"
#include "projection/firestore/exemptions.h"

namespace se::firestore {

struct Address {
    std::string project;
    std::string database = "(default)";
    std::string emulator =
        {};  ///< host:port of an emulator; empty: Google, by its own chain of credentials
    std::chrono::milliseconds timeout{20'000};  ///< of one call; longer: away
};

/// Whether this build has gRPC at all.
bool speaks_firestore();

/// Connects when it is first used; what is wrong with the address or the credentials themselves is
/// said here. Errc::unsupported in a build without gRPC.
Result<std::unique_ptr<DocumentStore>> open_firestore(Address address);
/// Likewise, for the indexes of the same database.
Result<std::unique_ptr<IndexAdmin>> open_index_admin(Address address);

}  // namespace se::firestore
