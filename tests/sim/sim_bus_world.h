#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/egress/bus_messages.h"
#include "engine/egress/bus_sink.h"
#include "engine/egress/follower.h"
#include "engine/egress/posted_sink.h"
#include "engine/intake/bus_intake.h"
#include "engine/intake/bus_link.h"
#include "journal/base/log.h"
#include "tests/sim/sim_bus.h"
#include "tests/sim/sim_history.h"
#include "tests/sim/sim_model.h"

namespace se::sim {

/// The bus of a life: a broker on another machine, whoever publishes mutations there, and what the
/// daemon has for it: connection, intake, and the follower that publishes. These live and die with
/// the writer's process. It has chances and a clock of its own, so that the rest of a life does not
/// depend on it. Not for lives in which records are lost: what was acknowledged may be among them.
class BusWorld {
public:
    BusWorld(FileSystem& files, StorePaths paths, std::uint64_t seed);

    SimRandom& chance() { return chance_; }
    /// A producer has it stored; perhaps not for the first time.
    void publish(const Request& request);
    /// Before a step of the engine.
    void turn(Engine& engine);
    /// After it.
    void settle();
    /// All that can be seen, when the model knows all that the journal shows. Tells requests how
    /// they were decided.
    void check(Model& model, History& history);
    void die();
    void heal() { broker_.faults = {}; }
    /// Nothing waits at the broker, and nothing is in hand.
    bool is_dry();
    /// Publishes all there is. False: not yet.
    bool catch_up(Engine& engine, Model& model, History& history);

private:
    void begin(Engine& engine);
    void note(const std::string& name, const std::string& body);
    void take(const RecordView& record, Model& model);
    void check_acknowledged(Model& model, History& history);
    void check_told();
    void check_watermark();

    FileSystem& files_;
    const StorePaths paths_;
    NoLog log_;
    SimClock clock_;
    SimRandom chance_;
    SimBroker broker_;
    const BusSubjects subjects_{"local."};
    const BusMessages messages_of_{{.subjects = subjects_}};
    bool in_order_ = true;  ///< nothing that goes out is refused for a while (a known gap of X2)

    // --- of the process
    std::unique_ptr<SimBus> bus_;
    std::unique_ptr<BusLink> link_;
    std::unique_ptr<BusIntake> intake_;
    std::unique_ptr<BusSink> sink_;
    std::unique_ptr<PostedSink> crossing_;
    std::unique_ptr<se::Follower> follower_;

    // --- what is known
    std::map<std::uint64_t, std::uint64_t> published_;  ///< by sequence: the request's number
    std::vector<std::uint64_t> acknowledged_;           ///< sequences, not looked at yet
    Seq taken_;                                         ///< of these records the messages are known
    std::uint64_t sequence_ = 0;                        ///< of the newest record of a message
    struct Told {
        std::string id;
        Seq seq;
        bool stored = false;
    };
    std::vector<Told> told_;  ///< what has to go out, in order
    std::map<std::string, std::size_t, std::less<>> place_;
    std::size_t looked_ = 0;   ///< messages of the stream
    std::size_t passed_ = 0;   ///< of told_: the watermark has passed them
    std::size_t highest_ = 0;  ///< of told_: behind the last that is stored
    std::optional<Seq> file_seq_;
    Seq began_at_;  ///< without a watermark: nothing up to here need go out
};

}  // namespace se::sim
