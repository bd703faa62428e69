// The file history of two public repositories, 55,688 proposals, through the real programs.

#include <doctest/doctest.h>

#include <filesystem>
#include <iostream>

#include "journal/base/json.h"
#include "tests/adapters/temporary_directory.h"
#include "tests/places.h"
#include "tests/statectl/programs.h"

namespace {

using namespace se;

constexpr std::uint64_t kProposals = 55'688, kAccepted = 44'711, kRejected = 10'977;

const std::string kHistory =
    test::source_dir() + "/../shared/data/repo_history_mutations.jsonl.gz";

bool skipped(const char* test) {
    if (std::filesystem::exists(kHistory)) return false;
    std::cout << "SKIP: " << test << ": ../shared/data/repo_history_mutations.jsonl.gz is not there\n";
    return true;
}

/// Does `entries` equal the state after the first `proposals` of the file?
void must_equal_fold(const std::string& entries, std::uint64_t proposals) {
    const Ran ran = run({"python3", test::source_dir() + "/tests/statectl/independent_fold.py",
                         kHistory, "--first", std::to_string(proposals)},
                        entries);
    INFO(ran.out, ran.err);
    CHECK(ran.exit == 0);
}

std::uint64_t number(const Json& json, const char* name) {
    const Json* const found = json.find(name);
    REQUIRE(found != nullptr);
    return static_cast<std::uint64_t>(found->integer());
}

Json summary(const std::string& out) {
    REQUIRE(lines_of(out).size() == 1);
    const auto json = parse_json(out);
    REQUIRE(json);
    return *json;
}

std::uint64_t kind_count(const Tool& statectl, const char* kind) {
    const Json stats = summary(statectl.must({"journal", "stats", "-o", "json"}));
    const Json* const kinds = stats.find("kinds");
    return kinds->find(kind) == nullptr ? 0 : number(*kinds, kind);
}

/// All that is promised of a store that holds the whole history, whoever wrote it.
void check_store(const Tool& statectl) {
    CHECK(kind_count(statectl, "accepted") == kAccepted);
    CHECK(kind_count(statectl, "rejected") == kRejected);

    const std::string listed = statectl.must({"list", "-o", "jsonl"});
    CHECK(lines_of(listed).size() == 4'484);
    must_equal_fold(listed, kProposals);

    const Json verified = summary(statectl.must({"journal", "verify", "-o", "json"}));
    CHECK(verified.find("faults")->array().empty());
    CHECK(statectl.must({"journal", "replay", "-o", "jsonl"}) == listed);

    // Every decision is a record, in the order of the file: so the n-th proposal's seq is known.
    std::vector<std::uint64_t> seqs;
    for (const std::string& line : lines_of(statectl.must({"journal", "cat"}))) {
        if (line.find("\"kind\":\"accepted\"") == line.npos &&
            line.find("\"kind\":\"rejected\"") == line.npos)
            continue;
        REQUIRE(line.starts_with("{\"seq\":"));
        seqs.push_back(std::stoull(line.substr(7)));
    }
    REQUIRE(seqs.size() == kProposals);
    for (const std::uint64_t proposals : {1u, 2u, 777u, 20'000u, 40'001u, 55'687u}) {
        CAPTURE(proposals);
        const std::string then = statectl.must(
            {"journal", "replay", "--to-seq", std::to_string(seqs[proposals - 1]), "-o", "jsonl"});
        must_equal_fold(then, proposals);
    }
}

void check_second_import(const Tool& statectl) {
    const std::uint64_t before = kind_count(statectl, "accepted") + kind_count(statectl, "rejected");
    const Json again = summary(statectl.must({"import", kHistory, "-o", "json"}));
    CHECK(number(again, "proposals") == kProposals);
    CHECK(number(again, "accepted") == 0);
    CHECK(number(again, "rejected") == 0);
    CHECK(number(again, "duplicates") == kProposals);
    CHECK(kind_count(statectl, "accepted") + kind_count(statectl, "rejected") == before);
}

void check_first_import(const std::string& out) {
    const Json counts = summary(out);
    CHECK(number(counts, "proposals") == kProposals);
    CHECK(number(counts, "accepted") == kAccepted);
    CHECK(number(counts, "rejected") == kRejected);
    CHECK(number(counts, "duplicates") == 0);
    CHECK(number(counts, "head") > kProposals);
}

TEST_CASE("a real history imported without a daemon is what an independent fold says") {
    if (skipped("a real history imported without a daemon")) return;
    TemporaryDirectory folder;
    const Tool statectl{folder.path() + "/data"};
    spill(folder.path() + "/all.yaml", "allowedKeys: [\"*\"]\n");

    check_first_import(
        statectl.must({"--config", folder.path() + "/all.yaml", "import", kHistory, "-o", "json"}));
    check_store(statectl);
    // The policy is in the journal now: nobody has to name it again.
    check_second_import(statectl);

    const std::string listed = statectl.must({"list", "-o", "jsonl"});
    std::filesystem::remove_all(statectl.data + "/projection");
    CHECK(statectl.must({"list", "-o", "jsonl"}) == listed);   // folded in memory
    const Json rebuilt = summary(statectl.must({"rebuild", "-o", "json"}));
    CHECK(rebuilt.find("equal")->boolean());
    CHECK(statectl.must({"list", "-o", "jsonl"}) == listed);   // and regrown
}

TEST_CASE("a real history imported through a daemon is what an independent fold says") {
    if (skipped("a real history imported through a daemon")) return;
    TemporaryDirectory folder;
    const Tool statectl{folder.path() + "/data"};
    spill(folder.path() + "/all.yaml", "allowedKeys: [\"*\"]\n");
    Daemon daemon(statectl.data, {"--config", folder.path() + "/all.yaml"});

    check_first_import(statectl.must({"import", kHistory, "-o", "json"}));
    check_store(statectl);
    check_second_import(statectl);
    const std::string served = statectl.must({"list", "-o", "jsonl"});
    CHECK(statectl.must({"rebuild", "-o", "json"}).find("\"equal\":true") != std::string::npos);
    CHECK(statectl.must({"list", "-o", "jsonl"}) == served);
    daemon.stop();

    // The same bytes from the files, with the projection and without.
    CHECK(statectl.must({"list", "-o", "jsonl"}) == served);
    std::filesystem::remove_all(statectl.data + "/projection");
    CHECK(statectl.must({"list", "-o", "jsonl"}) == served);
    // One identity at both doors.
    check_second_import(statectl);
}

}  // namespace
