#pragma once

#include <doctest/doctest.h>

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/egress/follower.h"
#include "journal/follower_mark.h"
#include "tests/journal/journal_world.h"
#include "tests/sim/sim_sink.h"

namespace se::test {

using Fate = sim::SimSink::Fate;

/// A store with a writer, a follower of it and a peer. Each record of kind `event` is one message.
class EgressWorld {
public:
    explicit EgressWorld(std::uint64_t seed = 1) : store(seed), chance(seed + 1) {
        options.name = "peer";
        store.open_and_tell();
    }

    /// How often each event was told.
    struct CountedLog final : Log {
        void write(const LogEvent& event) override {
            ++counts[std::string(event.name)];
            if (!event.trace.empty()) traces[std::string(event.name)] = event.trace;
        }
        std::map<std::string, int> counts;
        std::map<std::string, std::string> traces;  ///< the last one
    };

    World store;
    CountedLog log;
    SimRandom chance;
    sim::SimSink sink;
    FollowerOptions options;
    std::vector<std::pair<std::string, std::string>> notes;  ///< that it asked for
    bool notes_are_told = true;
    std::vector<std::function<void(Status)>> not_told;
    std::unique_ptr<Follower> follower;

    static Status event_messages(const RecordView& record, const std::string& store,
                                 std::vector<Message>* messages) {
        if (record.id == "broken") return Error{Errc::corruption, "no way"};
        if (record.kind != Kind::event) return Ok{};
        messages->push_back({.id = store + ":" + std::to_string(record.epoch.value) + ":" +
                                   std::to_string(record.seq.value) + ":event",
                             .body = std::string(record.body),
                             .trace = std::string(record.trace)});
        return Ok{};
    }

    Follower& start() {
        sink.forget();
        follower = std::make_unique<Follower>(
            Follower::Doors{.files = store.disk,
                            .clock = store.clock,
                            .random = chance,
                            .log = log,
                            .note =
                                [this](std::string note, std::string body, auto told) {
                                    notes.emplace_back(std::move(note), std::move(body));
                                    if (notes_are_told) return told(Ok{});
                                    not_told.push_back(std::move(told));
                                }},
            store.paths, options, event_messages, sink);
        return *follower;
    }
    void die() { follower.reset(); }

    /// The peer answers all that gets to it, time goes by.
    void run(int rounds = 20, std::chrono::nanoseconds each = std::chrono::milliseconds{100}) {
        for (int i = 0; i < rounds; ++i) {
            follower->step();
            sink.serve();
            store.clock.advance(each);
        }
        follower->step();
    }

    /// `count` events, one group; the seq of the last.
    Seq write(int count = 1) {
        for (int i = 0; i < count; ++i) REQUIRE(store.append());
        REQUIRE(store.commit());
        return store.journal->last();
    }
    /// What an earlier history's follower left.
    void put_watermark(const std::string& of_store, Epoch epoch, Seq seq) {
        store.disk.put("/data/followers/peer", encode_follower_mark({of_store, epoch, seq}));
    }

    std::vector<std::uint64_t> received_seqs() const {
        std::vector<std::uint64_t> seqs;
        for (const auto& one : sink.received) seqs.push_back(one.at.seq.value);
        return seqs;
    }
    static std::vector<std::uint64_t> seqs(std::uint64_t from, std::uint64_t to) {
        std::vector<std::uint64_t> all;
        for (; from <= to; ++from) all.push_back(from);
        return all;
    }
    std::string store_id() const { return store.hold->info.store; }
    std::optional<FollowerMark> kept() const {
        const auto text = store.disk.content("/data/followers/peer");
        return text ? parse_follower_mark(*text) : std::nullopt;
    }
};

}  // namespace se::test
