// Instead of firestore_store.cc where gRPC is not installed.

#include "engine/adapters/firestore_store.h"

namespace se::firestore {

bool speaks_firestore() {
    return false;
}

Result<std::unique_ptr<DocumentStore>> open_firestore(Address) {
    return Error{Errc::unsupported, "this build has no Firestore: it was made without gRPC"};
}

Result<std::unique_ptr<IndexAdmin>> open_index_admin(Address) {
    return Error{Errc::unsupported, "this build has no Firestore: it was made without gRPC"};
}

}  // namespace se::firestore
