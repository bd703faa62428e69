#include "engine/adapters/firestore_channel.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

namespace se::firestore {
namespace {

constexpr int kAnswerBytesMax =
    64 << 20;  // a page of 300 documents of a MiB is cut by Google before that

Trouble::Kind kind_of(grpc::StatusCode code) {
    switch (code) {
        case grpc::StatusCode::FAILED_PRECONDITION:
        case grpc::StatusCode::ALREADY_EXISTS:
        case grpc::StatusCode::NOT_FOUND:
            return Trouble::Kind::precondition;
        case grpc::StatusCode::ABORTED:
            return Trouble::Kind::aborted;
        case grpc::StatusCode::RESOURCE_EXHAUSTED:
            return Trouble::Kind::throttled;
        case grpc::StatusCode::PERMISSION_DENIED:
        case grpc::StatusCode::UNAUTHENTICATED:
            return Trouble::Kind::denied;
        case grpc::StatusCode::INVALID_ARGUMENT:
        case grpc::StatusCode::OUT_OF_RANGE:
        case grpc::StatusCode::UNIMPLEMENTED:
            return Trouble::Kind::refused;
        default:
            return Trouble::Kind::away;
    }
}

}  // namespace

Result<std::shared_ptr<grpc::Channel>> open_channel(const Address& address) {
    if (address.project.empty()) return Error{Errc::malformed, "no Firestore project is named"};
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(kAnswerBytesMax);
    // Who calls paces itself, so the channel hardly does.
    arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1'000);
    arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
    // No pause, whatever its name says: how long one attempt may take, from connecting to the first
    // frame of HTTP/2. An emulator that has just been started, or a busy machine, takes seconds for
    // it, and an attempt that is cut off before begins anew, for ever.
    arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 20'000);
    std::string target = "firestore.googleapis.com:443";
    std::shared_ptr<grpc::ChannelCredentials> credentials;
    if (!address.emulator.empty()) {
        target = address.emulator;
        credentials = grpc::InsecureChannelCredentials();
    } else {
        credentials = grpc::GoogleDefaultCredentials();
        if (credentials == nullptr) {
            return Error{Errc::malformed,
                         "no credentials for Google: name a service account's file in "
                         "GOOGLE_APPLICATION_CREDENTIALS, or log in with gcloud"};
        }
    }
    return grpc::CreateCustomChannel(target, credentials, arguments);
}

Trouble trouble_of(const grpc::Status& status) {
    return {kind_of(status.error_code()),
            "code " + std::to_string(status.error_code()) + ": " + status.error_message()};
}

}  // namespace se::firestore
