#pragma once

#include <grpcpp/channel.h>

#include <memory>

#include "engine/adapters/firestore_store.h"

namespace se::firestore {

/// To Google or to the emulator. Errc::malformed: no project is named, or no credentials are there.
Result<std::shared_ptr<grpc::Channel>> open_channel(const Address& address);

Trouble trouble_of(const grpc::Status& status);

}  // namespace se::firestore
