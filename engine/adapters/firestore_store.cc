#include "engine/adapters/firestore_store.h"

#include <firestore_v1.grpc.pb.h>

#include <algorithm>
#include <mutex>
#include <set>

#include "engine/adapters/firestore_channel.h"

namespace se::firestore {
namespace {

namespace api = google::firestore::v1;

// --- values

void write(const Fields& fields, google::protobuf::Map<std::string, api::Value>* out);

void write(const Timestamp& time, google::protobuf::Timestamp* out) {
    out->set_seconds(time.seconds);
    out->set_nanos(time.nanos);
}

void write(const Value& value, api::Value* out) {
    struct Visit {
        api::Value* out;
        void operator()(std::nullptr_t) const { out->set_null_value(google::protobuf::NULL_VALUE); }
        void operator()(bool truth) const { out->set_boolean_value(truth); }
        void operator()(std::int64_t number) const { out->set_integer_value(number); }
        void operator()(double number) const { out->set_double_value(number); }
        void operator()(const Timestamp& time) const {
            write(time, out->mutable_timestamp_value());
        }
        void operator()(const std::string& text) const { out->set_string_value(text); }
        void operator()(const Bytes& bytes) const { out->set_bytes_value(bytes.bytes); }
        void operator()(const Reference& reference) const {
            out->set_reference_value(reference.name);
        }
        void operator()(const GeoPoint& point) const {
            out->mutable_geo_point_value()->set_latitude(point.latitude);
            out->mutable_geo_point_value()->set_longitude(point.longitude);
        }
        void operator()(const Value::Array& items) const {
            api::ArrayValue* const array = out->mutable_array_value();
            for (const Value& item : items) write(item, array->add_values());
        }
        void operator()(const Value::Map& map) const {
            write(map, out->mutable_map_value()->mutable_fields());
        }
    };
    std::visit(Visit{out}, value.is);
}

void write(const Fields& fields, google::protobuf::Map<std::string, api::Value>* out) {
    for (const auto& [name, value] : fields) write(value, &(*out)[name]);
}

Timestamp read(const google::protobuf::Timestamp& time) {
    return {time.seconds(), time.nanos()};
}

Fields read(const google::protobuf::Map<std::string, api::Value>& fields);

Value read(const api::Value& value) {
    switch (value.value_type_case()) {
        case api::Value::kBooleanValue:
            return {value.boolean_value()};
        case api::Value::kIntegerValue:
            return {std::int64_t{value.integer_value()}};
        case api::Value::kDoubleValue:
            return {value.double_value()};
        case api::Value::kTimestampValue:
            return {read(value.timestamp_value())};
        case api::Value::kStringValue:
            return {value.string_value()};
        case api::Value::kBytesValue:
            return {Bytes{value.bytes_value()}};
        case api::Value::kReferenceValue:
            return {Reference{value.reference_value()}};
        case api::Value::kGeoPointValue:
            return {
                GeoPoint{value.geo_point_value().latitude(), value.geo_point_value().longitude()}};
        case api::Value::kArrayValue: {
            Value::Array items;
            for (const api::Value& item : value.array_value().values()) items.push_back(read(item));
            return {std::move(items)};
        }
        case api::Value::kMapValue:
            return {read(value.map_value().fields())};
        case api::Value::kNullValue:
        case api::Value::VALUE_TYPE_NOT_SET:
            break;
    }
    return {nullptr};
}

Fields read(const google::protobuf::Map<std::string, api::Value>& fields) {
    Fields read_fields;
    read_fields.reserve(fields.size());
    for (const auto& [name, value] : fields) read_fields.emplace_back(name, read(value));
    sort(read_fields);
    return read_fields;
}

// --- answers

std::unexpected<Trouble> trouble(const grpc::Status& status) {
    return std::unexpected(trouble_of(status));
}

class GrpcStore final : public DocumentStore {
public:
    GrpcStore(Address address, const std::shared_ptr<grpc::Channel>& channel)
        : address_(std::move(address)),
          database_("projects/" + address_.project + "/databases/" + address_.database),
          root_(database_ + "/documents/"),
          stub_(api::Firestore::NewStub(channel)) {}

    Outcome<std::vector<Timestamp>> commit(const std::vector<Write>& writes) override {
        api::CommitRequest request;
        request.set_database(database_);
        for (const Write& write : writes) add(write, request.add_writes());
        api::CommitResponse response;
        Call call(*this);
        if (const auto status = stub_->Commit(&call.context, request, &response); !status.ok())
            return trouble(status);
        std::vector<Timestamp> times;
        for (const api::WriteResult& result : response.write_results())
            times.push_back(
                read(result.has_update_time() ? result.update_time() : response.commit_time()));
        if (times.size() != writes.size())
            return std::unexpected(
                Trouble{Trouble::Kind::away, "an answer with other writes than sent"});
        return times;
    }

    Outcome<std::vector<std::optional<Document>>> get(
        const std::vector<std::string>& paths) override {
        api::BatchGetDocumentsRequest request;
        request.set_database(database_);
        for (const std::string& path : paths) request.add_documents(root_ + path);
        Call call(*this);
        std::vector<std::optional<Document>> found(paths.size());
        const auto reader = stub_->BatchGetDocuments(&call.context, request);
        for (api::BatchGetDocumentsResponse response; reader->Read(&response);) {
            if (!response.has_found()) continue;
            Document document = to_document(response.found());
            for (std::size_t i = 0; i < paths.size(); ++i)
                if (paths[i] == document.path) found[i] = document;
        }
        if (const auto status = reader->Finish(); !status.ok()) return trouble(status);
        return found;
    }

    Outcome<std::vector<Document>> list(const Query& query) override {
        std::vector<Document> found;
        if (query.prefix.find('/') != std::string::npos) return found;  // no id has one
        api::RunQueryRequest request;
        request.set_parent(database_ + "/documents");
        build(query, request.mutable_structured_query());
        Call call(*this);
        const auto reader = stub_->RunQuery(&call.context, request);
        for (api::RunQueryResponse response; reader->Read(&response);)
            if (response.has_document()) found.push_back(to_document(response.document()));
        if (const auto status = reader->Finish(); !status.ok()) return trouble(status);
        // They come in order: what begins otherwise is behind all that was asked for.
        std::erase_if(found, [&](const Document& document) {
            return !document.id().starts_with(query.prefix);
        });
        return found;
    }

    void give_up() override {
        const std::lock_guard lock(mutex_);
        given_up_ = true;
        for (grpc::ClientContext* context : under_way_) context->TryCancel();
    }

    std::string describe() const override {
        return database_ +
               (address_.emulator.empty() ? "" : " at the emulator " + address_.emulator);
    }

private:
    struct Call {
        explicit Call(GrpcStore& the_store) : store(the_store) {
            context.set_deadline(std::chrono::system_clock::now() + store.address_.timeout);
            context.AddMetadata("google-cloud-resource-prefix", store.database_);
            // The emulator has no rules for an owner.
            if (!store.address_.emulator.empty())
                context.AddMetadata("authorization", "Bearer owner");
            const std::lock_guard lock(store.mutex_);
            store.under_way_.insert(&context);
            if (store.given_up_) context.TryCancel();
        }
        ~Call() {
            const std::lock_guard lock(store.mutex_);
            store.under_way_.erase(&context);
        }
        Call(const Call&) = delete;
        Call& operator=(const Call&) = delete;

        GrpcStore& store;
        grpc::ClientContext context;
    };

    void add(const Write& write, api::Write* out) const {
        if (write.fields) {
            out->mutable_update()->set_name(root_ + write.path);
            firestore::write(*write.fields, out->mutable_update()->mutable_fields());
        } else {
            out->set_delete_(root_ + write.path);
        }
        if (write.when.kind == Precondition::Kind::absent)
            out->mutable_current_document()->set_exists(false);
        if (write.when.kind == Precondition::Kind::updated_at)
            firestore::write(write.when.time,
                             out->mutable_current_document()->mutable_update_time());
    }

    void build(const Query& query, api::StructuredQuery* out) const {
        out->add_from()->set_collection_id(query.collection);
        api::StructuredQuery::Order* const order = out->add_order_by();
        order->mutable_field()->set_field_path("__name__");
        order->set_direction(api::StructuredQuery::ASCENDING);
        out->mutable_limit()->set_value(static_cast<std::int32_t>(query.limit));
        const bool goes_on = query.after >= query.prefix && !query.after.empty();
        const std::string& from = goes_on ? query.after : query.prefix;
        if (from.empty()) return;
        api::StructuredQuery::FieldFilter* const filter =
            out->mutable_where()->mutable_field_filter();
        filter->mutable_field()->set_field_path("__name__");
        filter->set_op(goes_on ? api::StructuredQuery::FieldFilter::GREATER_THAN
                               : api::StructuredQuery::FieldFilter::GREATER_THAN_OR_EQUAL);
        filter->mutable_value()->set_reference_value(root_ + query.collection + "/" + from);
    }

    Document to_document(const api::Document& document) const {
        std::string path = document.name();
        if (path.starts_with(root_)) path.erase(0, root_.size());
        return {std::move(path), read(document.fields()), read(document.update_time())};
    }

    const Address address_;
    const std::string database_, root_;
    const std::unique_ptr<api::Firestore::Stub> stub_;

    std::mutex mutex_;
    std::set<grpc::ClientContext*> under_way_;
    bool given_up_ = false;
};

}  // namespace

bool speaks_firestore() {
    return true;
}

Result<std::unique_ptr<DocumentStore>> open_firestore(Address address) {
    SE_TRY(channel, open_channel(address));
    return std::unique_ptr<DocumentStore>(std::make_unique<GrpcStore>(std::move(address), channel));
}

}  // namespace se::firestore
