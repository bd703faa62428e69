#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "projection/firestore/document_store.h"
#include "tests/sim/sim_random.h"

namespace se::firestore {

/// A document database that keeps Firestore's rules (tests/firestore holds both to one contract)
/// and has its bad days: it loses answers, is late, aborts, throttles, goes away, and refuses what
/// is poisoned.
class SimDocuments final : public DocumentStore {
public:
    /// Percent of the calls.
    struct Faults {
        std::uint64_t lost_answers = 0;  ///< it was done, and nobody hears of it
        std::uint64_t late = 0;          ///< it is done behind a later call, and nobody hears of it
        std::uint64_t aborts = 0;
        std::uint64_t throttles = 0;
        std::uint64_t away = 0;
    };
    explicit SimDocuments(std::uint64_t seed) : random_(seed) {}

    Faults faults;
    bool away = false;
    bool denied = false;
    bool absent = false;  ///< there is no such database
    std::set<std::string> poisoned;  ///< paths that it refuses to write

    struct Held {
        Fields fields;
        Timestamp update_time;
    };
    const std::map<std::string, Held>& documents() const { return documents_; }
    /// As another client does it, without faults.
    void put(const std::string& path, Fields fields);
    void remove(const std::string& path) { documents_.erase(path); }
    std::uint64_t calls() const { return calls_; }
    /// Successful commits that named `path`.
    std::uint64_t commits_of(const std::string& path) const;
    /// What is under way arrives now.
    void settle();

    Outcome<std::vector<Timestamp>> commit(const std::vector<Write>& writes) override;
    Outcome<std::vector<std::optional<Document>>> get(
        const std::vector<std::string>& paths) override;
    Outcome<std::vector<Document>> list(const Query& query) override;
    std::string describe() const override { return "the simulated documents"; }

private:
    std::optional<Trouble> bad_day();
    std::optional<Trouble> refusal(const std::vector<Write>& writes) const;
    Outcome<std::vector<Timestamp>> apply(const std::vector<Write>& writes);
    void let_late_ones_arrive();

    SimRandom random_;
    std::map<std::string, Held> documents_;
    std::map<std::string, std::uint64_t> commits_;
    std::vector<std::vector<Write>> late_;
    std::int64_t ticks_ = 0;
    std::uint64_t calls_ = 0;
};

}  // namespace se::firestore
