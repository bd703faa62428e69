#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/intake/message_bus.h"
#include "engine/intake/proposal.h"

namespace se {

/// How the subjects of one installation are called: `prefix`, with its dot or empty, once before
/// each topic.
class BusSubjects {
public:
    BusSubjects() = default;
    explicit BusSubjects(std::string prefix) : prefix_(std::move(prefix)) {}

    /// Why `prefix` cannot be one; empty when it can.
    static std::string problem(std::string_view prefix);

    /// Adds the prefix unless it is there already.
    std::string subject(std::string_view topic) const;
    std::string_view topic(std::string_view subject) const;  ///< without it
    std::string intake() const { return subject("internal.state.mutation.v1"); }
    /// What a stream of ours takes: everything below the prefix; without one, our own topics.
    std::vector<std::string> of_stream() const;
    const std::string& prefix() const { return prefix_; }

private:
    std::string prefix_;
};

/// Whether one can publish to it: tokens that are not empty, no wildcards, no white space or
/// control characters.
bool is_bus_subject(std::string_view subject);

/// A key as the last part of a subject: its empty tokens as `%`, and `% * >` percent-encoded. White
/// space and control characters, which no key has, would be, too.
std::string bus_subject_of_key(std::string_view key);

/// What a message on the mutation subject asks for (CONTRACTS 1.1, 1.5).
struct BusReading {
    /// One, or several independent ones of the documented batch form; each a proposal or why it is
    /// none. Each has an id: its own, else one that follows from the header `idempotencykey` where
    /// that can be an id, else made_id(), and from its index. Empty: the message is to be passed on.
    std::vector<ParsedProposal> proposals;
    /// Each proposal's cause, alike.
    std::vector<std::string> causes;
    /// Where one of them is none: {"original": <the message as a text, cut>}, for the body of its
    /// record.
    std::string claim;
    std::string trace;           ///< W3C, or empty
    std::string correlation_id;  ///< or empty
    /// An InternalEventV2 that came here by its slip: where it goes on, and how.
    struct Onward {
        std::string subject;
        std::string payload;
    };
    std::optional<Onward> onward;
};

/// `<stream>@<when it was made>/<sequence>`, and behind that `~<when it was stored>` of a message that has the
/// sequence anew: the one before may have its record, with the same content.
std::string made_id(const BusMessage& message, const BusStream& stream);

/// {"original": …}: what a message was, for the record that refuses it.
std::string claim_of(const BusMessage& message);

/// `stream` is where it lies. Pure: the same message reads alike, however often it comes.
BusReading read_bus_message(const BusMessage& message, const BusStream& stream,
                            const BusSubjects& subjects, const Limits& limits);

}  // namespace se
