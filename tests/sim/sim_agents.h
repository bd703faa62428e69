#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "engine/engine.h"
#include "tests/sim/sim_clock.h"
#include "tests/sim/sim_model.h"
#include "tests/sim/sim_random.h"

namespace se::sim {

/// Those who come by MCP: two agents with a stream of lines each, one in either era of the protocol. What they
/// propose is answered as everybody's is. After each step they read, ask what has changed behind their bookmark, and
/// have been told of the keys that they have subscribed to: all of it as the model has it.
class Agents {
public:
    Agents(SimClock& clock, std::uint64_t seed);
    ~Agents();

    /// `told` is called from hear(), with `unavailable` when the door itself refuses; never when the process dies first.
    void propose(Engine& engine, const Request& request, std::function<void(Answer&&)> told);
    /// They read the lines that are there.
    void hear();
    /// What they can see now, when the model knows all that the engine shows. `whole`: no record was lost or is
    /// damaged. `lax`: what was shown may be gone after a power cut.
    void look(Engine& engine, const Model& model, bool whole, bool lax);
    /// The writer's process ends, and theirs with it. To be called when the engine is gone.
    void die();

private:
    struct Agent;
    struct Process;

    void begin(Engine& engine);
    static void take_lines(Agent& agent);
    static void check_told(Agent& agent, const Model& model, Seq as_of);
    static void check_state(Agent& agent, const Model& model, Seq as_of);
    void check_changes(Agent& agent, const Model& model, Seq as_of, bool lax);
    static std::optional<Json> ask(Agent& agent, std::string_view tool, const std::string& arguments);

    SimClock& clock_;
    SimRandom chance_;
    std::map<std::string, Cursor> bookmarks_;  // by principal: they outlive a process
    std::unique_ptr<Process> process_;
};

}  // namespace se::sim
