#pragma once

#include <cstdint>
#include <string>

#include "engine/policy/policy.h"
#include "tests/sim/sim_mix.h"
#include "tests/sim/sim_model.h"
#include "tests/sim/sim_random.h"

namespace se::sim {

/// What clients ask for, and operators: few keys, so that they meet; much of it a little wrong or
/// out of date.
class Clients {
public:
    Clients(const Mix& mix, const Model& model) : mix_(mix), model_(model) {}

    Request some_request(SimRandom& random, std::string id) const;
    Policy some_policy(SimRandom& random) const;

private:
    Value some_value(SimRandom& random, Value::Kind kind, bool patch) const;
    RequestOp some_op(SimRandom& random) const;
    std::uint64_t version_of(SimRandom& random, const std::string& key) const;

    const Mix& mix_;
    const Model& model_;
};

}  // namespace se::sim
