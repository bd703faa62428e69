#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/sim/sim_model.h"

namespace se::sim {

/// What clients saw and when, and nothing else: neither the journal nor the model. check() says
/// whether there is an order of all operations on each key that explains every answer and keeps to
/// real time: what had its answer before another began comes first. Versions tell the order, since
/// each change has its own; so the search that this is in general is a walk here.
class History {
public:
    /// A client begins to ask; asking again is the same operation.
    void invoke(const Request& request);
    void answered(const Request& request, const Answer& answer);
    /// A read that begins and ends now. `entry` is null where the key is absent; tombstones count.
    void read(const std::string& key, const Entry* entry);

    /// Throws Broken. Then all begins anew, but for operations under way.
    void check();
    /// History was given up by an operator: what was seen before binds nobody, and what was asked
    /// before, up to that request, may come out either way.
    void forget(std::uint64_t requests);

private:
    struct Event {
        std::uint64_t begin = 0, end = 0;
        std::uint64_t version = 0;
        bool is_change = false;
        // Of a change: what it does, where one operation on the key says it.
        const RequestOp* op = nullptr;
        std::optional<std::uint64_t> expected_version;
        bool deleted = false;
        std::optional<std::string> value;  // of a read
        std::string what;
    };
    static void check_key(const std::string& key, std::vector<Event>& events);

    std::uint64_t now_ = 0;
    std::uint64_t first_ = 0;                         // requests below it do not count
    std::map<std::uint64_t, std::uint64_t> invoked_;  // by request: when
    std::map<std::string, std::vector<Event>> events_;
};

}  // namespace se::sim
