#include "tests/sim/sim_tally.h"

#include <algorithm>

#include "journal/base/assert.h"
#include "journal/base/json.h"

namespace se::sim {
namespace {

constexpr Invariant kInvariants[] = {
    {"J1", "seqs are dense and in file order, epochs never come again", ""},
    {"J2", "what was acknowledged, every later open shows", ""},
    {"J3", "nothing is shown that is not durable", ""},
    {"J4", "damage is told from a torn tail, by evidence; nothing but the tail is cut", ""},
    {"J5", "after a failed write or sync the journal takes nothing", ""},
    {"J6", "readers lock nothing, write nothing and show nothing too early", ""},
    {"J7", "the tree over all leaves has the root that headers and verify say", ""},
    {"J7.signed", "a checkpoint signs the tree of 1..h", "checkpoints and signing"},
    {"J7.erased", "an erased record keeps its leaf", "erasing"},
    {"J8", "open verifies from a trusted watermark on, and nothing sound is called damaged below it", ""},
    {"J8.checkpoint", "open verifies from the newest verified checkpoint on", "checkpoints"},
    {"P1", "state and watermark are written in one transaction", ""},
    {"P2", "LMDB is exactly the fold of 1..watermark", ""},
    {"P3", "no entry is overwritten by a lower seq", ""},
    {"P4", "callers read their own writes, while LMDB fails as well", ""},
    {"P5", "a read says its seq, and whether the journal is ahead", ""},
    {"P6", "Firestore's documents and watermark move in one commit", ""},
    {"E1", "same journal in, same state out", ""},
    {"E2", "one identity, one effect", ""},
    {"E3", "every accepted change of a key raises its version by one", ""},
    {"E4", "nothing is decided on a state older than the last record", ""},
    {"E5", "every queue has its limit", ""},
    {"E4.rules", "rules see state exactly as of their record's seq", ""},
    {"E4.derived", "what rules derived is decided in order, once, before all that comes later", ""},
    {"X1", "what a follower delivers is delivered at least once, under one id", ""},
    {"X2", "in seq order", ""},
    {"X3", "a watermark passes only what the peer acknowledged", ""},
    {"X1.fired", "each fired action is delivered at least once", ""},
    {"bus.once", "each message of the bus is applied exactly once", ""},
    {"bus.ack", "and acknowledged only when its record is durable", ""},
    {"bus.order", "in the order of the stream", ""},
    {"bus.told", "what is told on the bus a record says, under one id", ""},
    {"bus.told_in_order", "in seq order", ""},
    {"bus.watermark", "and its watermark passes only what the broker has stored", ""},
    {"watch", "a watch is ordered, unique, gap-free and resumable", ""},
    {"P4.mcp", "what an agent's tools show is the state as of the seq that they name", ""},
    {"watch.mcp", "an agent's notices and bookmarks miss nothing, across its processes", ""},
    {"linearizable", "what clients see fits one order of their operations in real time", ""},
    {"liveness", "when the faults stop everything comes to rest", ""},
};

void append_counts(std::string& out, const std::map<std::string_view, std::uint64_t>& counts) {
    JsonObject object(out);
    for (const auto& [name, count] : counts) object.integer(name, count);
    object.close();
}

}  // namespace

std::span<const Invariant> invariants() {
    return kInvariants;
}

void Tally::add(const Tally& more) {
    for (const auto& [name, count] : more.faults) faults[name] += count;
    for (const auto& [name, count] : more.operations) operations[name] += count;
    for (const auto& [name, count] : more.checks) checks[name] += count;
    for (const auto& [name, count] : more.excuses) excuses[name] += count;
    for (const auto& [name, count] : more.rules) rules[name] += count;
}

std::string Tally::to_json() const {
    auto all_checks = checks;
    for (const Invariant& invariant : kInvariants) {
        if (invariant.waits_for.empty()) all_checks.try_emplace(invariant.name, 0);
    }
    std::string out = R"({"faults":)";
    append_counts(out, faults);
    out += R"(,"operations":)";
    append_counts(out, operations);
    out += R"(,"checks":)";
    append_counts(out, all_checks);
    out += R"(,"excuses":)";
    append_counts(out, excuses);
    out += R"(,"rules":)";
    append_counts(out, rules);
    out += R"(,"waiting":)";
    JsonObject waiting(out);
    for (const Invariant& invariant : kInvariants) {
        if (!invariant.waits_for.empty()) waiting.text(invariant.name, invariant.waits_for);
    }
    waiting.close();
    return out + "}";
}

Tally& tally() {
    static Tally all;
    return all;
}

void broken(std::string_view invariant, std::string what) {
    SE_ASSERT(std::ranges::find(kInvariants, invariant, &Invariant::name) != std::end(kInvariants));
    throw Broken{std::string(invariant), std::move(what)};
}

}  // namespace se::sim
