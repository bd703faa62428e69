// Which fields are in no index: a small administration service of ours plays Google's, which no
// emulator has, and hands all else on to the emulator.

#include <doctest/doctest.h>

#include "tests/firestore/documented.h"

#if __has_include(<firestore_admin_v1.grpc.pb.h>)

#include <firestore_admin_v1.grpc.pb.h>
#include <firestore_v1.grpc.pb.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>

#include <map>
#include <mutex>
#include <set>

#include "engine/adapters/firestore_store.h"

namespace se::test {
namespace {

namespace admin = google::firestore::admin::v1;
namespace wire = google::firestore::v1;

struct PlayedAdmin final : admin::FirestoreAdmin::Service {
    std::mutex mutex;
    bool may_look = true, may_change = true;
    std::map<std::string, admin::Field> fields;  ///< that say something of their own, by name
    std::size_t page = 2;

    grpc::Status ListFields(grpc::ServerContext*, const admin::ListFieldsRequest* asked,
                            admin::ListFieldsResponse* answer) override {
        const std::lock_guard lock(mutex);
        if (!may_look) return {grpc::StatusCode::PERMISSION_DENIED, "datastore.indexes.list"};
        if (asked->filter() != "indexConfig.usesAncestorConfig:false")
            return {grpc::StatusCode::INVALID_ARGUMENT, "the filter"};
        for (auto at = fields.upper_bound(asked->page_token()); at != fields.end(); ++at) {
            if (!at->first.starts_with(asked->parent() + "/fields/")) continue;
            if (static_cast<std::size_t>(answer->fields_size()) == page) {
                answer->set_next_page_token(std::prev(at)->first);
                break;
            }
            *answer->add_fields() = at->second;
        }
        return grpc::Status::OK;
    }
    grpc::Status UpdateField(grpc::ServerContext*, const admin::UpdateFieldRequest* asked,
                             admin::Operation* answer) override {
        const std::lock_guard lock(mutex);
        if (!may_change) return {grpc::StatusCode::PERMISSION_DENIED, "datastore.indexes.update"};
        if (asked->update_mask().paths_size() != 1 ||
            asked->update_mask().paths(0) != "index_config" || !asked->field().has_index_config())
            return {grpc::StatusCode::INVALID_ARGUMENT, "the mask"};
        fields[asked->field().name()] = asked->field();
        answer->set_name("operations/1");
        return grpc::Status::OK;
    }
    std::size_t count() {
        const std::lock_guard lock(mutex);
        return fields.size();
    }
};

/// Hands on what it is asked.
struct Passage final : wire::Firestore::Service {
    std::unique_ptr<wire::Firestore::Stub> to;

    template <class Reader, class Writer, class Answer>
    static grpc::Status pass(std::unique_ptr<Reader> from, Writer* writer, Answer answer) {
        while (from->Read(&answer)) writer->Write(answer);
        return from->Finish();
    }
    static void owner(grpc::ClientContext& context) {
        context.AddMetadata("authorization", "Bearer owner");
    }
    grpc::Status Commit(grpc::ServerContext*, const wire::CommitRequest* asked,
                        wire::CommitResponse* answer) override {
        grpc::ClientContext context;
        owner(context);
        return to->Commit(&context, *asked, answer);
    }
    grpc::Status BatchGetDocuments(
        grpc::ServerContext*, const wire::BatchGetDocumentsRequest* asked,
        grpc::ServerWriter<wire::BatchGetDocumentsResponse>* writer) override {
        grpc::ClientContext context;
        owner(context);
        return pass(to->BatchGetDocuments(&context, *asked), writer,
                    wire::BatchGetDocumentsResponse());
    }
    grpc::Status RunQuery(grpc::ServerContext*, const wire::RunQueryRequest* asked,
                          grpc::ServerWriter<wire::RunQueryResponse>* writer) override {
        grpc::ClientContext context;
        owner(context);
        return pass(to->RunQuery(&context, *asked), writer, wire::RunQueryResponse());
    }
};

/// Both on a port of loopback, in this process.
struct PlayedGoogle {
    PlayedAdmin administration;
    Passage passage;
    std::unique_ptr<grpc::Server> server;
    int port = 0;

    explicit PlayedGoogle(const std::string& emulator = "", bool administers = true) {
        grpc::ServerBuilder builder;
        builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
        if (administers) builder.RegisterService(&administration);
        if (!emulator.empty())
            passage.to = wire::Firestore::NewStub(
                grpc::CreateChannel(emulator, grpc::InsecureChannelCredentials()));
        builder.RegisterService(&passage);
        server = builder.BuildAndStart();
        REQUIRE(server != nullptr);
    }
    ~PlayedGoogle() { server->Shutdown(); }
    std::string address() const { return "127.0.0.1:" + std::to_string(port); }
    std::unique_ptr<firestore::IndexAdmin> open() const {
        auto opened = firestore::open_index_admin({.project = "p", .emulator = address()});
        REQUIRE(opened);
        return *std::move(opened);
    }
};

Json exemptions_of(DocumentedDaemon& daemon) {
    return *daemon
                .wait_for("a look at the indexes",
                          [](const Json& now) { return now.find("exemptions") != nullptr; })
                .find("exemptions");
}

}  // namespace

TEST_CASE("what only grows and is indexed is found, page by page, and asked for one by one") {
    PlayedGoogle google;
    const auto door = google.open();
    auto& fields = google.administration.fields;
    const std::string groups = "projects/p/databases/(default)/collectionGroups/";
    const auto say = [&](const std::string& name) -> admin::Field& {
        fields[groups + name].set_name(groups + name);
        fields[groups + name].mutable_index_config();
        return fields[groups + name];
    };
    const std::size_t all = firestore::wanted_exemptions().size();
    firestore::ExemptionReport report = check_exemptions(*door, false);
    CHECK(report.looked);
    CHECK(report.service);
    CHECK(report.missing == firestore::wanted_exemptions());

    for (const char* name : {"a", "b", "c", "seq", "updatedAt"})
        say(std::string("state/fields/") + name);
    say("mutation_log/fields/ts").mutable_index_config()->add_indexes();  // indexed in its own way
    say("mutation_log/fields/seq").mutable_index_config()->set_reverting(true);  // about to be
    say("other/fields/expiresAt");
    report = check_exemptions(*door, false);
    CHECK(report.missing.size() == all - 2);
    CHECK(report.missing.front() == firestore::IndexExemption{"state", "expiresAt"});

    google.administration.may_change = false;
    report = check_exemptions(*door, true);
    CHECK(report.missing.size() == all - 2);
    CHECK(report.asked.empty());
    CHECK_MESSAGE(report.why.find("denied") == 0, report.why);

    google.administration.may_change = true;
    report = check_exemptions(*door, true);
    CHECK(report.missing.empty());
    CHECK(report.asked.size() == all - 2);
    CHECK(report.why.empty());
    CHECK(check_exemptions(*door, false).missing.empty());

    google.administration.may_look = false;
    report = check_exemptions(*door, true);
    CHECK(!report.looked);
    CHECK_MESSAGE(report.why.find("datastore.indexes.list") != std::string::npos, report.why);

    const PlayedGoogle none("", false);
    report = check_exemptions(*none.open(), true);
    CHECK(report.looked);
    CHECK(!report.service);
    CHECK(report.missing.empty());
}

TEST_CASE(
    "a bootstrap asks for exemptions; where it may not, log, status and doctor name the commands, "
    "and the documents follow all the same") {
    if (Emulator::skipped("a bootstrap asks for exemptions")) return;
    Documented world;
    PlayedGoogle google(world.emulator.address());
    world.through = google.address();
    google.administration.may_change = false;
    world.start({"--firestore-bootstrap"});
    CHECK(world.propose(set_text("a.one", "1")) == 200);
    Json found = exemptions_of(world);
    CHECK(found.find("missing")->array().size() == firestore::wanted_exemptions().size());
    const std::string command =
        "gcloud firestore indexes fields update seq --collection-group=state --disable-indexes "
        "--project=state-engine --database='(default)'";
    CHECK(text_of(found.find("missing")->array().front(), "command") == command);
    CHECK(world.daemon->log_says("state-engine.firestore.exemptions_missing"));
    CHECK(world.daemon->log_says(command));
    const auto [code, said] = world.statectl("doctor -o json");
    CHECK(code == 0);
    CHECK_MESSAGE(said.find(command) != std::string::npos, said);
    CHECK(world.statectl("firestore status").first == 0);  // nothing is wrong with the documents
    world.wait_until_followed();
    CHECK(world.daemon->stop() == 0);

    {
        const std::lock_guard lock(google.administration.mutex);
        google.administration.may_change = true;
    }
    world.start();  // no bootstrap: it looks, and changes nothing
    found = exemptions_of(world);
    CHECK(found.find("missing")->array().size() == firestore::wanted_exemptions().size());
    CHECK(google.administration.count() == 0);
    CHECK(world.daemon->stop() == 0);
    world.start({"--firestore-bootstrap"});
    found = exemptions_of(world);
    CHECK(found.find("missing")->array().empty());
    CHECK(google.administration.count() == firestore::wanted_exemptions().size());
    CHECK(world.daemon->log_says("state-engine.firestore.exemptions_asked"));
    CHECK(world.daemon->stop() == 0);

    world.through.clear();  // the emulator itself has none
    world.start();
    CHECK(exemptions_of(world) == Json(Json::Object{{"service", false}}));
    CHECK(world.daemon->log_says("state-engine.firestore.indexes_not_looked_at"));
    CHECK(world.statectl("doctor -o json").second.find("gcloud") == std::string::npos);
    CHECK(world.daemon->stop() == 0);
}

}  // namespace se::test

#else

TEST_CASE("what only grows and is indexed is found") {
    se::test::Emulator::skipped("what only grows and is indexed is found");
}

#endif
