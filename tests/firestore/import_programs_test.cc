// statectl firestore import on Google's emulator, with documents that Google's own client has
// written as BitBrat's engine writes them; without a daemon and with one.

#include <doctest/doctest.h>

#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <thread>

#include "projection/firestore/documents.h"
#include "tests/adapters/temporary_directory.h"
#include "tests/daemon/daemon_process.h"
#include "tests/firestore/emulator.h"
#include "tests/json_of.h"
#include "tests/places.h"

namespace se::test {
namespace {

constexpr int kNoClient = 77;

const char* const kSent =
    R"({"id":"m1","op":"set","key":"stream.state","value":"on","actor":"ingress","reason":"live","ts":"2025-12-24T17:59:00.000Z"}
{"id":"m2","op":"set","key":"stream.state","value":"off","actor":"ingress","reason":"over","ts":"2025-12-24T18:09:00.000Z","expectedVersion":1}
{"id":"m3","op":"set","key":"stream.state","value":"on","actor":"ingress","reason":"again","ts":"t","expectedVersion":7}
{"id":"m4","op":"set","key":"user.disposition.a1","value":{"score":0.5,"tags":["kind",["odd"]]},"actor":"disposition","reason":"heard","ts":"t","ttl":3600,"metadata":{"window":3}}
{"id":"m5","op":"set","key":"forbidden.key","value":1,"actor":"ingress","reason":"no","ts":"t"}
{"id":"m6","op":"set","key":"outage.key","value":1,"actor":"ingress","reason":"lost","ts":"t"}
)";

struct ShellSaid {
    int exit = -1;
    std::string out;
};
ShellSaid shell(const std::string& command) {
    ShellSaid said;
    FILE* const pipe = ::popen(command.c_str(), "r");
    REQUIRE(pipe != nullptr);
    std::array<char, 4096> bytes{};
    while (const std::size_t got = std::fread(bytes.data(), 1, bytes.size(), pipe))
        said.out.append(bytes.data(), got);
    const int status = ::pclose(pipe);
    said.exit = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return said;
}

struct Platform {
    Emulator emulator;
    TemporaryDirectory folder;
    std::string data = folder.path() + "/data";

    Platform() {
        std::ofstream(folder.path() + "/config.yaml")
            << "allowedKeys: [stream.state, \"user.*\", \"a.*\"]\nrules: []\n";
    }
    /// By Google's own client; false: it cannot be had, and that was said.
    bool fill(const std::string& proposals) {
        // An array in an array is nothing that this client writes.
        std::string text = proposals;
        if (const auto at = text.find(R"(,["odd"])"); at != std::string::npos) text.erase(at, 8);
        std::ofstream(folder.path() + "/proposals") << text;
        const ShellSaid wrote = shell(source_dir() + "/tests/firestore/client.sh " + bin_dir() +
                                      "/../firestore-client " + emulator.address() +
                                      " write_documents bitbrat " + folder.path() + "/proposals 2>&1");
        std::cout << wrote.out;
        if (wrote.exit == kNoClient) return false;
        REQUIRE_MESSAGE(wrote.exit == 0, wrote.out);
        return true;
    }
    std::unique_ptr<firestore::DocumentStore> documents() { return emulator.open("bitbrat"); }

    ShellSaid statectl(const std::string& words) {
        return shell("FIRESTORE_EMULATOR_HOST=" + emulator.address() +
                     " GOOGLE_CLOUD_PROJECT=bitbrat " + bin_dir() + "/statectl --data " + data +
                     " " + words + " 2>" + folder.path() + "/err");
    }
    std::string complaints() { return shell("cat " + folder.path() + "/err").out; }
    Json counts(const std::string& words, int exit) {
        const ShellSaid ran = statectl("firestore import " + words);
        CHECK_MESSAGE(ran.exit == exit, complaints());
        return json_of(ran.out);
    }
    std::string config() const { return "--config " + folder.path() + "/config.yaml"; }
};

std::int64_t count(const Json& json, const char* name) {
    const Json* const member = json.find(name);
    REQUIRE_MESSAGE(member != nullptr, name);
    return member->integer();
}

}  // namespace

TEST_CASE("a project that BitBrat's engine wrote is imported without a daemon, once") {
    const char* const name = "a project that BitBrat's engine wrote is imported";
    if (Emulator::skipped(name)) return;
    Platform it;
    if (!it.fill(kSent)) return;

    Json counts = it.counts("--dry-run " + it.config(), 0);
    CHECK(count(counts, "entries_imported") == 2);
    CHECK(count(counts, "mutations_imported") == 6);
    CHECK(it.statectl("list").exit != 0);  // nothing was made

    counts = it.counts(it.config() + " --id take-over", 0);
    CHECK(count(counts, "entries") == 2);
    CHECK(count(counts, "entries_imported") == 2);
    CHECK(count(counts, "mutations") == 6);
    CHECK(count(counts, "mutations_imported") == 6);
    CHECK(count(counts, "left_out") == 0);
    const Json state = json_of(it.statectl("get stream.state").out);
    CHECK(*state.find("version") == Json(2));
    CHECK(*state.find("value") == Json("off"));
    CHECK(*state.find("updatedBy") == Json("ingress"));
    CHECK(to_text(*state.find("metadata")) == R"({"source":"over"})");
    const Json user = json_of(it.statectl("get user.disposition.a1").out);
    CHECK(*user.find("ttl") == Json(3600));
    CHECK(to_text(*user.find("metadata")) == R"({"source":"heard","window":3})");
    CHECK(it.statectl("journal replay --verify").exit == 0);

    // Again: the journal's head is not even another run's.
    const std::int64_t head = count(counts, "head");
    counts = it.counts("", 0);
    CHECK(count(counts, "entries_imported") == 0);
    CHECK(count(counts, "entries_already_present") == 2);
    CHECK(count(counts, "mutations_already_present") == 6);
    CHECK(count(counts, "head") <= head + 2);  // opened, closed
    CHECK(it.statectl("journal grep m1").out.find(R"("kind":"event")") != std::string::npos);

    // A shadow is alike, until something differs; the original's documents are read where they are.
    CHECK(it.statectl("shadow diff --firestore").exit == 0);
    CHECK(it.statectl("shadow diff").exit == 64);

    // What was written since is ours.
    CHECK(it.statectl("set stream.state '\"here\"' --reason test").exit == 0);
    const ShellSaid differs = it.statectl("shadow diff --firestore -o jsonl");
    CHECK(differs.exit == 4);
    CHECK_MESSAGE(
        differs.out.find(R"("key":"stream.state","difference":"different")") != std::string::npos,
        differs.out);
    counts = it.counts("", 0);
    CHECK(count(counts, "different") == 0);  // the same document: known by its id
    REQUIRE(it.documents()->commit(
        {{"state/stream.state", firestore::Fields{{"updatedAt", {std::string("t")}},
                                                  {"updatedBy", {std::string("x")}},
                                                  {"value", {std::string("there")}},
                                                  {"version", {std::int64_t{9}}}}}}));
    counts = it.counts("", 0);
    CHECK(count(counts, "different") == 1);
    CHECK(
        it.complaints().find("state/stream.state: the store holds another value of it; it stays") !=
        std::string::npos);
    counts = it.counts("--force --yes", 0);
    CHECK(count(counts, "entries_imported") == 2);
    CHECK(*json_of(it.statectl("get stream.state").out).find("version") == Json(9));
    CHECK(shell("ls " + it.data).out.find("parked-") != std::string::npos);
}

TEST_CASE("bad documents are named and the exit code says so; a daemon takes the same import") {
    const char* const name = "bad documents are named, and a daemon takes the same import";
    if (Emulator::skipped(name)) return;
    Platform it;
    std::vector<firestore::Write> writes;
    for (int i = 0; i < 700; ++i)  // more than two pages
        writes.push_back({"state/a.k" + std::to_string(i),
                          firestore::Fields{{"updatedAt", {std::string("t")}},
                                            {"updatedBy", {std::string("x")}},
                                            {"value", {std::int64_t{i}}},
                                            {"version", {std::int64_t{i + 1}}}}});
    writes.push_back({"state/a key", writes[0].fields});
    writes.push_back({"state/other", writes[0].fields});
    writes.push_back({"state/a.none", firestore::Fields{{"value", {nullptr}}}});
    for (std::size_t i = 0; i < writes.size(); i += 400)
        REQUIRE(it.documents()->commit(
            {writes.begin() + static_cast<std::ptrdiff_t>(i),
             writes.begin() + static_cast<std::ptrdiff_t>(std::min(writes.size(), i + 400))}));
    DaemonProcess daemon({.data = it.data, .policy = "allowedKeys: [\"a*\"]\nrules: []\n"});
    daemon.start();
    Json counts = it.counts("", 4);
    CHECK(count(counts, "entries") == 703);
    CHECK(count(counts, "entries_imported") == 700);
    CHECK(count(counts, "left_out") == 3);
    const std::string said = it.complaints();
    CHECK_MESSAGE(said.find("state/a key: is not imported: malformed") != std::string::npos, said);
    CHECK_MESSAGE(said.find("state/other: is not imported: key_not_allowed") != std::string::npos,
                  said);
    CHECK_MESSAGE(said.find("state/a.none: is not imported: version is no") != std::string::npos,
                  said);
    const std::int64_t head = count(counts, "head");
    counts = it.counts("", 4);
    CHECK(count(counts, "entries_already_present") == 700);
    CHECK(count(counts, "head") == head);  // nothing at all was journaled
    CHECK(*json_of(it.statectl("get a.k41").out).find("version") == Json(42));
    CHECK(daemon.stop() == 0);
}

TEST_CASE(
    "a mirror of an engine's journal is refused, its own store's for ever, and nowhere is "
    "nowhere") {
    const char* const name = "a mirror of an engine's journal is refused";
    if (Emulator::skipped(name)) return;
    Platform it;
    const auto mark = [&](const std::string& store) {
        REQUIRE(it.documents()->commit(
            {{std::string(firestore::kWatermarkPath), firestore::mark_fields({.store = store,
                                                                              .epoch = Epoch{2},
                                                                              .run = "r",
                                                                              .seq = Seq{7},
                                                                              .bootstrap = {}})}}));
    };
    mark("another");
    CHECK(it.statectl("firestore import").exit == 1);
    CHECK(it.complaints().find("--accept-mirror") != std::string::npos);
    CHECK(it.counts("--accept-mirror", 0).find("entries") != nullptr);
    CHECK(it.statectl("set stream.state 1 --reason test").exit == 0);
    const Json status = json_of(it.statectl("status -o json").out);
    mark(status.find("store")->string());
    CHECK(it.statectl("firestore import --accept-mirror").exit == 1);
    CHECK(it.complaints().find("mirror of this very store") != std::string::npos);
    it.emulator.kill_hard();
    CHECK(shell("env -u FIRESTORE_EMULATOR_HOST -u GOOGLE_CLOUD_PROJECT " + bin_dir() +
                "/statectl --data " + it.data + " firestore import 2>&1")
              .exit == 64);
}

TEST_CASE(
    "doctor looks at a sample of the documents, and says what to do about one that was changed") {
    if (Emulator::skipped("doctor looks at a sample of the documents")) return;
    Platform it;
    DaemonProcess daemon({.data = it.data,
                          .arguments = {"--firestore-bootstrap"},
                          .environment = {"FIRESTORE_EMULATOR_HOST=" + it.emulator.address(),
                                          "GOOGLE_CLOUD_PROJECT=bitbrat"},
                          .policy = "allowedKeys: [\"a*\"]\nrules: []\n"});
    daemon.start();
    CHECK(it.statectl("set a.one 1 --reason test").exit == 0);
    CHECK(it.statectl("set a.two 2 --reason test").exit == 0);
    const auto followed = [&] {
        const Json now = json_of(it.statectl("firestore status -o json").out);
        return *now.find("phase") == Json("following") && *now.find("lag") == Json(0);
    };
    for (int i = 0; i < 600 && !followed(); ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
    REQUIRE(followed());
    const auto documents = [&] {
        const Json told = json_of(it.statectl("doctor -o json").out);
        for (const Json& check : told.find("checks")->array())
            if (*check.find("check") == Json("documents")) return check;
        return Json();
    };
    const Json fine = documents();
    REQUIRE(fine.is_object());
    CHECK(*fine.find("verdict") == Json("ok"));
    CHECK(fine.find("found")->string().find("compared 2 entries with 2 documents") == 0);
    REQUIRE(it.documents()->commit({{"state/a.two", std::nullopt}}));
    const Json missing = documents();
    CHECK(*missing.find("verdict") == Json("trouble"));
    CHECK(missing.find("found")->string().find("a.two (missing)") != std::string::npos);
    CHECK(missing.find("do")->string().find("statectl firestore heal") != std::string::npos);
    CHECK(daemon.stop() == 0);
    CHECK(documents().is_null());  // nobody to ask, and no finding
}

}  // namespace se::test
