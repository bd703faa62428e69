#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/answer.h"
#include "journal/merkle.h"
#include "journal/record.h"
#include "projection/fold.h"
#include "tests/sim/sim_rules.h"
#include "tests/sim/sim_tally.h"
#include "tests/sim/sim_value.h"

namespace se::sim {

/// What a client wants, and what it was told.
struct Request {
    std::uint64_t number = 0;
    std::string principal;
    std::string id;
    std::vector<RequestOp> ops;
    std::vector<std::pair<std::string, Seq>> basis;
    bool by_bus = false;          ///< a message of the bus (sim_bus_world.h)
    int under_way = 0;            ///< submitted to the living engine and not answered
    std::optional<Answer> final;  ///< the first answer that binds
    bool told_first = false;      ///< one that is no duplicate

    std::string text() const;    ///< the proposal's JSON
    std::string reason() const;  ///< by which its record is recognized
};

/// What should be there: decides each record again, slowly and obviously, from nothing but the
/// records before it and what the clients asked for.
class Model {
public:
    std::vector<Request> requests;  ///< by number
    std::string store;              ///< its id; empty: not known yet

    /// The next record that a reader was shown. Checks J1, E2, E3, E4 and that what was decided is
    /// what should have been.
    void take(const RecordView& record);
    /// A later reader shows it again: it must be the same.
    void recognize(const RecordView& record);
    bool knows(const RecordView& record) const;
    Seq last() const { return Seq{lines_.size()}; }
    /// Needs a seq that is not lost.
    std::string_view line(Seq seq) const { return lines_.at(seq.value - 1); }

    /// An operator gave up from..to: what is left is all there is. The records up to `through`, if
    /// not seen yet, were decided on what is lost, and are taken as they come.
    void lose(Seq from, Seq to, Seq through);
    /// To be called once what was beside the lost has been recognized.
    void settle();
    bool is_lost(Seq seq) const { return seq <= last() && lines_[seq.value - 1].empty(); }
    Seq last_kept() const;
    bool lost_any() const { return lost_any_; }
    /// J7: root of the tree over all of them, while nothing is lost.
    Hash root() const { return tree_.root(); }
    std::uint64_t digest() const;  ///< of all of them
    Epoch epoch_of(Seq seq) const { return epochs_.at(seq.value - 1); }

    /// What an answer claims must be what the journal says.
    void check_answer(const Request& request, const Answer& answer) const;
    /// What the engine should say to `request` with the state as of `seq`.
    Code decide_at(const Request& request, Seq seq) const;

    const Entry* as_of(std::string_view key, Seq seq) const;  ///< tombstones too
    std::map<std::string, Entry> state_at(Seq seq) const;     ///< tombstones too
    /// Every change of a key, in order.
    const std::vector<std::pair<Seq, std::string>>& changes() const { return changes_; }
    /// A key that should have expired by `now` and has not.
    std::optional<std::string> overdue(Time now) const;
    /// Nothing waits that a rule derived.
    bool nothing_due() const { return due_.empty(); }

private:
    struct Slot {
        bool live = false;
        std::uint64_t version = 0;
        Seq seq;
        Value value;
        std::optional<Time> deadline;
    };
    using Slots = std::map<std::string, Slot>;
    struct Outcome {
        Code code = Code::none;
        std::map<std::string, Slot> changes;
    };
    struct PolicyThen {
        std::vector<std::string> allowed;
        std::vector<SimRule> rules;
        std::uint64_t derived_depth = 0, derived_count = 0;
    };

    Outcome decide(const Request& request, const Slots& state, const PolicyThen& policy,
                   Time now) const;
    void take_decision(const RecordView& record);
    void take_expiry(const RecordView& record);
    void apply(const RecordView& record, const Slots& changes, std::uint64_t depth);
    void adopt(const RecordView& record);
    void believe(const RecordView& record);
    void check_policy(const RecordView& record);
    const PolicyThen& policy_now() const;

    // sim_model_rules.cc
    void check_turn(const RecordView& record);
    void take_derived(const RecordView& record);
    void check_fired(const RecordView& record, const Slots& before, std::uint64_t depth);
    Slots of_these(const Slots& changes) const;

    static constexpr std::string_view kDerivedDoor = "rules";

    static constexpr std::string_view kUnseen = "?";  // beside what is lost, and not shown yet
    std::vector<std::string> lines_;                  // by seq; empty: lost
    bool unsettled_ = false;
    bool lost_any_ = false;
    Seq adopted_through_;
    Frontier tree_;
    std::vector<Epoch> epochs_;
    MemoryState fold_;
    Slots slots_;
    std::map<std::string, std::vector<Entry>, std::less<>> history_;
    std::vector<std::pair<Seq, std::string>> changes_;
    std::map<std::pair<std::string, std::string>, Seq> bound_;  // (principal, id): E2
    std::map<Seq, PolicyThen> policies_;                        // from that seq on
    std::deque<Due> due_;        // what rules derived and has no record yet, in its order
    std::uint64_t derived_ = 0;  // records of such, behind one that no rule derived
    bool due_unknown_ = false;   // behind what was given up, until the next such
    bool opening_ = false;       // nothing but notes since an epoch began
    Time last_ts_{};
};

}  // namespace se::sim
