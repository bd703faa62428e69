// Which single fields of a project are indexed, by Google's administration API.

#include <firestore_admin_v1.grpc.pb.h>

#include <mutex>

#include "engine/adapters/firestore_channel.h"

namespace se::firestore {
namespace {

namespace admin = google::firestore::admin::v1;

class GrpcIndexAdmin final : public IndexAdmin {
public:
    GrpcIndexAdmin(Address address, const std::shared_ptr<grpc::Channel>& channel)
        : address_(std::move(address)),
          groups_("projects/" + address_.project + "/databases/" + address_.database +
                  "/collectionGroups/"),
          stub_(admin::FirestoreAdmin::NewStub(channel)) {}

    Outcome<std::optional<std::vector<std::string>>> exempted(
        const std::string& collection) override {
        const std::string fields = groups_ + collection + "/fields/";
        admin::ListFieldsRequest request;
        request.set_parent(groups_ + collection);
        // Those only that do not do as the database does; the service lists no others.
        request.set_filter("indexConfig.usesAncestorConfig:false");
        std::vector<std::string> found;
        do {
            admin::ListFieldsResponse response;
            const auto status = call([&](grpc::ClientContext* context) {
                return stub_->ListFields(context, request, &response);
            });
            if (status.error_code() == grpc::StatusCode::UNIMPLEMENTED) return std::nullopt;
            if (!status.ok()) return std::unexpected(trouble_of(status));
            for (const admin::Field& field : response.fields()) {
                const auto& config = field.index_config();
                if (field.name().starts_with(fields) && field.has_index_config() &&
                    config.indexes().empty() && !config.uses_ancestor_config() &&
                    !config.reverting())
                    found.push_back(field.name().substr(fields.size()));
            }
            request.set_page_token(response.next_page_token());
        } while (!request.page_token().empty());
        return found;
    }

    Outcome<Ok> exempt(const IndexExemption& exemption) override {
        admin::UpdateFieldRequest request;
        request.mutable_field()->set_name(groups_ + exemption.collection + "/fields/" +
                                          exemption.field);
        request.mutable_field()->mutable_index_config();  // no index at all
        request.mutable_update_mask()->add_paths("index_config");
        admin::Operation operation;
        const auto status = call([&](grpc::ClientContext* context) {
            return stub_->UpdateField(context, request, &operation);
        });
        if (!status.ok()) return std::unexpected(trouble_of(status));
        return Ok{};
    }

    void give_up() override {
        const std::lock_guard lock(mutex_);
        given_up_ = true;
        if (under_way_ != nullptr) under_way_->TryCancel();
    }

private:
    grpc::Status call(auto what) {
        grpc::ClientContext context;
        context.set_deadline(std::chrono::system_clock::now() + address_.timeout);
        if (!address_.emulator.empty()) context.AddMetadata("authorization", "Bearer owner");
        {
            const std::lock_guard lock(mutex_);
            under_way_ = &context;
            if (given_up_) context.TryCancel();
        }
        const grpc::Status status = what(&context);
        const std::lock_guard lock(mutex_);
        under_way_ = nullptr;
        return status;
    }

    const Address address_;
    const std::string groups_;
    const std::unique_ptr<admin::FirestoreAdmin::Stub> stub_;

    std::mutex mutex_;
    grpc::ClientContext* under_way_ = nullptr;
    bool given_up_ = false;
};

}  // namespace

Result<std::unique_ptr<IndexAdmin>> open_index_admin(Address address) {
    SE_TRY(channel, open_channel(address));
    return std::unique_ptr<IndexAdmin>(
        std::make_unique<GrpcIndexAdmin>(std::move(address), channel));
}

}  // namespace se::firestore
