#pragma once

#include <string>
#include <string_view>

#include "engine/egress/sink.h"
#include "engine/intake/bus_reading.h"

namespace se {

/// What of a record goes out on the bus (CONTRACTS 1.5, INTERFACES "NATS"), in this order:
///
///   internal.state.result.v1              of each decision: the answer that it got, with
///   correlationId, actor,
///                                         ts and, for a conflict, the entry that stood
///   internal.state.changed.v1.<subject>   of each key that changed: {key, entry|null,
///   previousVersion, cause, id, …} internal.egress.v1                    of each action that rules
///   fired: its payload internal.deadletter.v1                of a message of the bus that can
///   never be a proposal
class BusMessages {
public:
    /// A header for the sink, not for the peer: the key that a conflict is about. Only who holds
    /// the state can say which entry stood there (BusSink).
    static constexpr std::string_view kConflictKey = "state-engine-conflict-key";
    struct Options {
        BusSubjects subjects;
        bool results = true, changes = true;
    };
    explicit BusMessages(Options options) : options_(std::move(options)) {}

    Status operator()(const RecordView& record, const std::string& store,
                      std::vector<Message>* messages) const;

private:
    Message begin(const RecordView& record, const std::string& store, std::string_view what,
                  std::string_view topic) const;
    void add_result(const RecordView& record, const std::string& store,
                    std::vector<Message>* messages) const;
    Status add_changes(const RecordView& record, const std::string& store,
                       std::vector<Message>* messages) const;
    Status add_dead_letter(const RecordView& record, const std::string& store,
                           std::vector<Message>* messages) const;

    Options options_;
};

}  // namespace se
